/** The configuration in force, row by row: for `config show --origin` and for what a reload would change. */
import { formatDuration, formatSize } from '../../core/duration.ts'
import type { LoadedConfig } from '../load/load.ts'
import { escaped } from '../load/problem.ts'
import { isTable, type Origins, originText, type Path, setterOf } from '../load/tree.ts'
import { configSchema } from '../schema/config.ts'
import type { About, Apply } from '../schema/kinds.ts'
import { aboutOf, keyText, partOf, type Schema, shapeOf } from '../schema/shape.ts'

export interface ConfigRow {
  /** As in a file: `runner.idle_timeout`, `providers.static.nodes[0].name`. */
  key: string
  /** As in a file: `"20m"`, `3`, `["fsn1"]`. A secret is `"********"`. */
  value: string
  /** `default`, `default, lowered to fit runner.max_execution`, `/etc/tdf/config.toml:14`, `env TDF_…`. */
  origin: string
  apply: Apply
}

type Text = (value: unknown, about?: About) => string

/** Every key with a value, in the order of the schema. */
export function describeConfig({ raw, origins }: Pick<LoadedConfig, 'raw' | 'origins'>): ConfigRow[] {
  return rowsOf(configSchema, raw, [], origins, valueText)
}

export interface ConfigChange {
  key: string
  /** As `config show` has them; null where the key is not there. */
  from: string | null
  to: string | null
  apply: Apply
}

type Described = Pick<LoadedConfig, 'raw' | 'origins'>

/** What differs between two configurations, secrets included, though none is shown. */
export function changesOf(before: Described, after: Described): ConfigChange[] {
  const exact = ({ raw, origins }: Described) =>
    new Map(rowsOf(configSchema, raw, [], origins, value => JSON.stringify(value)).map(row => [row.key, row.value]))
  const shown = (one: Described) => new Map(describeConfig(one).map(row => [row.key, row]))
  const [was, is, from, to] = [exact(before), exact(after), shown(before), shown(after)]
  const keys = [...new Set([...was.keys(), ...is.keys()])].filter(key => was.get(key) !== is.get(key))
  return keys.map(key => ({
    key,
    from: from.get(key)?.value ?? null,
    to: to.get(key)?.value ?? null,
    apply: (to.get(key) ?? from.get(key))?.apply ?? 'restart',
  }))
}

/** A value as a file would have it. */
export function valueText(value: unknown, about?: About): string {
  if (about?.secret && value !== '') return '"********"'
  if (typeof value === 'number' && about?.unit === 'ms') return `"${formatDuration(value)}"`
  if (typeof value === 'number' && about?.unit === 'bytes') return `"${formatSize(value)}"`
  if (Array.isArray(value)) return `[${value.map(item => valueText(item)).join(', ')}]`
  if (typeof value === 'string') return escaped(value)
  if (!isTable(value)) return String(value)
  if (Object.keys(value).length === 0) return '{}'
  return `{ ${Object.entries(value)
    .map(([name, item]) => `${keyText([name])} = ${valueText(item)}`)
    .join(', ')} }`
}

function rowsOf(schema: Schema, value: unknown, path: Path, origins: Origins, text: Text): ConfigRow[] {
  if (value === undefined) return []
  const shape = shapeOf(schema)
  const steps = shape.kind === 'list' && Array.isArray(value) ? [...value.keys()] : Object.keys(Object(value))
  const about = aboutOf(schema)
  if (shape.kind === 'value' || (shape.kind === 'list' && steps.length === 0)) {
    const origin = originText(setterOf(origins, path))
    return [{ key: keyText(path), value: text(value, about), origin, apply: about?.apply ?? 'reload' }]
  }
  const ordered = shape.kind === 'table' ? Object.keys(shape.keys) : steps
  return ordered.flatMap(step => {
    const part = partOf(schema, step)
    return part ? rowsOf(part, Reflect.get(Object(value), step), [...path, step], origins, text) : []
  })
}
