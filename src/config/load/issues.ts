/** zod's issues as problems with a place in the file. */
import type { z } from 'zod'
import { formatSize } from '../../core/duration.ts'
import { configSchema } from '../schema/config.ts'
import type { About } from '../schema/kinds.ts'
import { aboutOf, keyText, partOf, type Schema, shapeOf } from '../schema/shape.ts'
import { type Problem, problemAt, quoted } from './problem.ts'
import { meantKey, nearest } from './suggest.ts'
import { type Draft, isTable, originAt, originNear, type Path, pathId, valueAt } from './tree.ts'

export function problemsOf(issues: readonly z.core.$ZodIssue[], draft: Draft, file: string): Problem[] {
  return issues.flatMap(issue => {
    const path = issue.path as Path // Keys of TOML and indexes; there are no symbols.
    if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey(path, key, draft, file))
    if (issue.code === 'invalid_key') return [badName(path, draft, file)]
    return [badValue(issue, path, draft, file)]
  })
}

function unknownKey(path: Path, key: string, draft: Draft, file: string): Problem {
  const whole = [...path, key]
  const what = path.length === 0 && isTable(valueAt(draft.tree, whole)) ? 'table' : 'key'
  const place = path.length === 0 ? '' : ` in [${keyText(path)}]`
  const meant = meantKey(schemasOn(path).at(-1) ?? configSchema, path, key)
  const suggestion = meant && (pathId(meant.slice(0, -1)) === pathId(path) ? String(meant.at(-1)) : keyText(meant))
  return problemAt(originAt(draft.origins, whole), 'key', file, `unknown ${what} ${quoted(key)}${place}`, suggestion)
}

function badName(path: Path, draft: Draft, file: string): Problem {
  const about = aboutOn(path)
  const expected = about?.expects ?? 'a name of small letters, digits, "_" and "-", such as "my-agent"'
  const message = `${quoted(String(path.at(-1)))} cannot be a name in [${keyText(path.slice(0, -1))}]: expected ${expected}`
  return problemAt(originAt(draft.origins, path), 'key', file, message)
}

function badValue(issue: z.core.$ZodIssue, path: Path, draft: Draft, file: string): Problem {
  const origin = originNear(draft.origins, path)
  const value = valueAt(draft.tree, path)
  const key = keyText(path)
  if (issue.code === 'custom' && issue.params?.says)
    return problemAt(origin, 'value', file, `${key}: ${issue.params.says}`)
  const about = aboutOn(path)
  const expected =
    about?.expects ?? (shapeOf(schemasOn(path).at(-1) ?? configSchema).kind === 'list' ? 'a list of tables' : 'a table')
  if (value === undefined) return problemAt(origin, 'key', file, `${key} is missing: expected ${expected}`)
  const message = `${key}: expected ${expected}, got ${seen(value, about)}`
  return problemAt(origin, 'value', file, message, meantValue(value, about))
}

function meantValue(value: unknown, about: About | undefined): string | undefined {
  if (!about || about.secret) return undefined
  if (about.choices && typeof value === 'string') return nearest(value, about.choices.filter(Boolean))
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value) && value > 0
  const isBare = isNumber || (typeof value === 'string' && /^\d{1,12}$/.test(value))
  if (!isBare) return undefined
  if (about.unit === 'ms') return `${value}s`
  return about.unit === 'bytes' ? formatSize(Number(value)) : undefined
}

function seen(value: unknown, about: About | undefined): string {
  if (about?.secret) return 'something else'
  if (typeof value === 'string') return `string ${quoted(value)}`
  if (typeof value === 'number') return Number.isInteger(value) ? `integer ${value}` : `number ${value}`
  if (typeof value === 'boolean') return String(value)
  if (value instanceof Date) return 'a date'
  return Array.isArray(value) ? 'a list' : 'a table'
}

/** What is said about the innermost key on the way: an element of a list is explained by its list. */
function aboutOn(path: Path): About | undefined {
  return schemasOn(path)
    .map(aboutOf)
    .findLast(about => about !== undefined)
}

/** The schemas along a path, as far as it leads. */
function schemasOn(path: Path): Schema[] {
  const schemas: Schema[] = []
  let schema: Schema | undefined = configSchema
  for (const step of path) {
    schema = partOf(schema, step)
    if (!schema) break
    schemas.push(schema)
  }
  return schemas
}
