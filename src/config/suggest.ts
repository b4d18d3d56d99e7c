/** The key that was meant: one that is spelt like it in the same table, or the same one in another table. */
import { nearest } from './nearest.ts'
import { configSchema } from './schema.ts'
import { keysOf, type Schema, shapeOf } from './shape.ts'
import type { Path } from './tree.ts'

const KEYS = [...keysOf(configSchema)]

/** Answers with a whole path, or undefined. `table` is the schema of the table at `path` that has no key `name`. */
export function meantKey(table: Schema, path: Path, name: string): Path | undefined {
  const shape = shapeOf(table)
  const near = shape.kind === 'table' ? nearest(name, Object.keys(shape.keys)) : undefined
  if (near !== undefined) return [...path, near]
  const folded = foldedName(name)
  return KEYS.find(key => key.path.at(-1) === folded)?.path
}

/** Variables know neither small letters nor dashes. */
export function foldedName(name: string): string {
  return name.toLowerCase().replaceAll('-', '_')
}
