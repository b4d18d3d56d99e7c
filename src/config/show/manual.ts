/** Every table and key of the schema in plain values, for the writers of manuals. */
import { z } from 'zod'
import { variableOf } from '../load/environment.ts'
import type { Path } from '../load/tree.ts'
import { configSchema } from '../schema/config.ts'
import type { Apply } from '../schema/kinds.ts'
import { aboutOf, defaultOf, descriptionOf, keyText, type Schema, shapeOf } from '../schema/shape.ts'
import { valueText } from './describe.ts'

interface ManualTable {
  /** `runner`, `providers.static.nodes`, `agents.NAME`. */
  name: string
  description: string
  keys: ManualKey[]
}

interface ManualKey {
  name: string
  description: string
  expects: string
  /** As a file has it; undefined where there is none. */
  initial: string | undefined
  /** Undefined in tables that do not exist until a file names them. */
  variable: string | undefined
  apply: Apply
}

export function configTables(): ManualTable[] {
  return tablesOf(configSchema, [], true)
}

function tablesOf(schema: Schema, path: Path, isFixed: boolean): ManualTable[] {
  const shape = shapeOf(schema)
  if (shape.kind === 'names') return tablesOf(shape.item, [...path, 'NAME'], false)
  if (shape.kind === 'list') return tablesOf(shape.item, path, false)
  if (shape.kind !== 'table') return []
  const parts = Object.entries(shape.keys)
  const keys = parts
    .filter(([, part]) => shapeOf(part).kind === 'value')
    .map(([name, part]) => keyOf(name, part, isFixed ? [...path, name] : undefined))
  const own = keys.length > 0 ? [{ name: keyText(path), description: descriptionOf(schema), keys }] : []
  return [...own, ...parts.flatMap(([name, part]) => tablesOf(part, [...path, name], isFixed))]
}

function keyOf(name: string, schema: Schema, path: Path | undefined): ManualKey {
  const about = aboutOf(schema)
  const initial = defaultOf(schema)
  return {
    name,
    description: descriptionOf(schema),
    expects: about?.expects ?? 'a value',
    initial: initial === undefined ? undefined : valueText(initial),
    variable: path && [variableOf(path), ...(about?.env ? [about.env] : [])].join(' or '),
    apply: about?.apply ?? 'reload',
  }
}

// --- The schema for editors that complete and check TOML: `tdf config schema` ---

/** Draft 7, which is what editors understand. Describes a file: durations and sizes are strings. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      for (const name of OURS) delete jsonSchema[name]
      // A table that is left out is filled key by key; `{}` as its default would say that it is empty.
      if (jsonSchema.type === 'object' && JSON.stringify(jsonSchema.default) === '{}') delete jsonSchema.default
    },
  })
  return { ...schema, title: 'tdf configuration' }
}

/** What kinds.ts says to us and not to editors. */
const OURS = ['expects', 'apply', 'unit', 'choices', 'secret', 'env', 'example']
