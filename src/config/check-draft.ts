/** Holds a draft against the schema. */
import { problemsOf } from './issues.ts'
import type { Problem } from './problem.ts'
import { configSchema, type RawConfig, withBuiltInAgents } from './schema.ts'
import { partOf, type Schema, shapeOf } from './shape.ts'
import { type Draft, type Path, pathId, tableFor } from './tree.ts'

/** What is wrong is taken out and replaced by its default, so that limits can be checked in the same go. */
export function checkDraft(draft: Draft, file: string, problems: Problem[]): RawConfig | undefined {
  const tree = withBuiltInAgents(draft.tree)
  const first = configSchema.safeParse(tree)
  if (first.success) return first.data
  problems.push(...problemsOf(first.error.issues, { ...draft, tree }, file))
  for (const { path, ...issue } of first.error.issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : []
    if (keys.length === 0) remove({ ...draft, tree }, path as Path)
    for (const key of keys) delete tableFor(tree, path as Path)[key]
  }
  return configSchema.safeParse(tree).data
}

/** Out of a list or a table of chosen names goes the whole list or the whole named table. */
function remove({ tree, origins }: Draft, path: Path): void {
  let schema: Schema | undefined = configSchema
  let end = 0
  while (schema && end < path.length) {
    const shape = shapeOf(schema)
    if (shape.kind === 'value' || shape.kind === 'list') break
    schema = partOf(schema, path[end] ?? '')
    end += 1
    if (shape.kind === 'names') break
  }
  const cut = path.slice(0, end)
  origins.delete(pathId(cut))
  delete tableFor(tree, cut.slice(0, -1))[cut.at(-1) ?? '']
}
