/** A plain view of the schema, for those who walk it: what is a table, what is a value, and what is said about it. */
import { z } from 'zod'
import type { About } from './kinds.ts'

export type Schema = z.core.$ZodType

export type Shape =
  /** A table with keys of ours. */
  | { kind: 'table'; keys: Readonly<Record<string, Schema>> }
  /** A table with names that people choose, each of which holds a table. */
  | { kind: 'names'; item: Schema }
  /** A list of tables. */
  | { kind: 'list'; item: Schema }
  /** One value. A *structure* is a list or table of plain values, which is only ever set as a whole. */
  | { kind: 'value'; holds: 'text' | 'number' | 'flag' | 'structure' }

export function shapeOf(schema: Schema): Shape {
  const core = bare(schema)
  if (core instanceof z.ZodObject) return { kind: 'table', keys: core.shape }
  if (core instanceof z.ZodRecord && isTable(core.valueType)) return { kind: 'names', item: core.valueType }
  if (core instanceof z.ZodArray && isTable(core.element)) return { kind: 'list', item: core.element }
  if (core instanceof z.ZodRecord || core instanceof z.ZodArray || core instanceof z.ZodUnion)
    return { kind: 'value', holds: 'structure' }
  if (core instanceof z.ZodNumber) return { kind: 'value', holds: 'number' }
  return { kind: 'value', holds: core instanceof z.ZodBoolean ? 'flag' : 'text' }
}

/** The part of a table, list or value that a step of a path leads to. */
export function partOf(schema: Schema, step: string | number): Schema | undefined {
  const shape = shapeOf(schema)
  if (shape.kind === 'table') return Object.hasOwn(shape.keys, step) ? shape.keys[step] : undefined
  return shape.kind === 'value' ? undefined : shape.item
}

/** Every key of every table, with its path. Tables of chosen names and lists are not entered. */
export function* keysOf(
  schema: Schema,
  path: readonly string[] = [],
): Generator<{ path: readonly string[]; schema: Schema }> {
  const shape = shapeOf(schema)
  if (shape.kind !== 'table') yield { path, schema }
  else for (const [name, part] of Object.entries(shape.keys)) yield* keysOf(part, [...path, name])
}

/** What is said about a key; undefined for tables. */
export function aboutOf(schema: Schema): About | undefined {
  const meta = z.globalRegistry.get(schema)
  // Only `described` in kinds.ts writes `expects`, always with the rest of About.
  return meta && 'expects' in meta ? (meta as unknown as About) : undefined
}

export function descriptionOf(schema: Schema): string {
  return z.globalRegistry.get(schema)?.description ?? ''
}

/** As it would stand in a file, or undefined where there is no default. */
export function defaultOf(schema: Schema): unknown {
  return schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined
}

/** `nodes[0].name` in a path of three, as people read it. Names that are not plain words are quoted. */
export function keyText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    const name = /^[A-Za-z0-9_-]+$/.test(String(step)) ? String(step) : JSON.stringify(String(step))
    return text ? `${text}.${name}` : name
  }, '')
}

function isTable(schema: Schema): boolean {
  return bare(schema) instanceof z.ZodObject
}

function bare(schema: Schema): Schema {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return bare(schema.unwrap())
  return schema instanceof z.ZodPipe ? bare(schema.in) : schema
}

// --- From the snake_case of files to the camelCase of code. Names that people choose (of agents, of sizes) stay as they are ---

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
