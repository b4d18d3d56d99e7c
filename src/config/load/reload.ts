/** What a running daemon can take over of another configuration: all but the keys that it reads only when it starts. */
import { configSchema, type RawConfig } from '../schema/config.ts'
import { aboutOf, type Schema, shapeOf } from '../schema/shape.ts'
import { emptyTable } from './tree.ts'

/** `next`, with the keys that need a restart as they are in `was`. Lists and tables of chosen names stay or go as a whole. */
export function withoutRestart(was: RawConfig, next: RawConfig): RawConfig {
  // Both were answered by this schema, whose tables have each key.
  return merged(configSchema, was, next) as RawConfig
}

function merged(schema: Schema, was: unknown, next: unknown): unknown {
  const shape = shapeOf(schema)
  if (shape.kind !== 'table') return needsRestart(schema) ? was : next
  const table = emptyTable()
  for (const [key, part] of Object.entries(shape.keys)) {
    table[key] = merged(part, Reflect.get(Object(was), key), Reflect.get(Object(next), key))
  }
  return table
}

function needsRestart(schema: Schema): boolean {
  const shape = shapeOf(schema)
  if (shape.kind === 'value') return aboutOf(schema)?.apply === 'restart'
  const parts = shape.kind === 'table' ? Object.values(shape.keys) : [shape.item]
  return aboutOf(schema)?.apply === 'restart' || parts.some(needsRestart)
}
