/** From the snake_case of files to the camelCase of code. Names that people choose (of agents, of sizes) stay as they are. */
import { type Schema, shapeOf } from './shape.ts'

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S

export type Camelized<T> = T extends readonly (infer Item)[]
  ? Camelized<Item>[]
  : T extends object
    ? { [K in keyof T as string extends K ? K : K extends string ? Camel<K> : K]: Camelized<T[K]> }
    : T

/** `value` is what `schema` answered. Tables of chosen names have no prototype, so that any name can be looked up. */
export function camelized<T>(schema: Schema, value: T): Camelized<T> {
  // The type and this function walk the same shape; the compiler cannot see that they do.
  return convert(schema, value) as Camelized<T>
}

function convert(schema: Schema, value: unknown): unknown {
  const shape = shapeOf(schema)
  if (Array.isArray(value)) return shape.kind === 'list' ? value.map(item => convert(shape.item, item)) : value
  if (typeof value !== 'object' || value === null) return value
  const table: Record<string, unknown> = shape.kind === 'table' ? {} : Object.create(null)
  for (const [name, part] of Object.entries(value)) {
    const partSchema = shape.kind === 'table' ? shape.keys[name] : shape.kind === 'names' ? shape.item : undefined
    table[shape.kind === 'table' ? camel(name) : name] = partSchema ? convert(partSchema, part) : part
  }
  return table
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
