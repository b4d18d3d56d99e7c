/** Tables as data: which property sits in which column and how. Rows and objects are made from it in one place. */
import type { Row, Value } from './sql.ts'

type Kind = 'plain' | 'json' | 'flag'

/** Property → column and kind. The column is the property in snake case. */
export interface Field {
  property: string
  column: string
  kind: Kind
}

export function fields(plain: readonly string[], json: readonly string[] = [], flags: readonly string[] = []): Field[] {
  const of = (kind: Kind) => (property: string) => ({ property, column: snake(property), kind })
  return [...plain.map(of('plain')), ...json.map(of('json')), ...flags.map(of('flag'))]
}

/** The values of an object in the order of its fields, ready to be bound. */
export function valuesOf(object: object, table: readonly Field[]): Value[] {
  const record = object as Record<string, unknown>
  return table.map(({ property, kind }) => {
    const value = record[property] ?? null
    if (kind === 'flag') return value ? 1 : 0
    if (kind === 'json') return value === null ? null : JSON.stringify(value)
    return value as Value
  })
}

/** An object from a row. Throws when a JSON column is broken: the caller says which row it was. */
export function objectOf<T>(row: Row, table: readonly Field[]): T {
  const object: Record<string, unknown> = {}
  for (const { property, column, kind } of table) {
    const value = row[column] ?? null
    object[property] =
      kind === 'json' ? (value === null ? null : JSON.parse(String(value))) : kind === 'flag' ? value === 1 : value
  }
  // What wrote the row was typed by the same field table.
  return object as T
}

export const columnsOf = (table: readonly Field[], prefix = '') => table.map(f => prefix + f.column).join(', ')
export const holes = (table: readonly Field[]) => table.map(() => '?').join(', ')
export const assignments = (table: readonly Field[]) => table.map(f => `${f.column} = ?`).join(', ')

function snake(property: string): string {
  return property.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
