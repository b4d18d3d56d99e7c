/** Tables as data: which property sits in which column and how. Rows and objects are made from it in one place. */
import { TdfError } from '../../core/errors.ts'
import { blank, type Row, type Value } from './sql.ts'

type Kind = 'plain' | 'json' | 'flag'

/** Property → column and kind. The column is the property in snake case. */
export interface Field {
  property: string
  column: string
  kind: Kind
}

/** Each argument names properties, separated by white space: plain values, JSON, and booleans that are stored as 0 or 1. */
export function fields(plain: string, json = '', flags = ''): Field[] {
  const of = (kind: Kind, properties: string) =>
    properties.split(/\s+/).flatMap(property => (property === '' ? [] : [{ property, column: snake(property), kind }]))
  return [...of('plain', plain), ...of('json', json), ...of('flag', flags)]
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

/** An object from a row. Throws STATE_CORRUPT when a JSON column is broken. */
export function objectOf<T>(row: Row, table: readonly Field[]): T {
  const object: Record<string, unknown> = { ...blankOf(table) }
  for (const { property, column, kind } of table) {
    const value = row[column] ?? null
    object[property] = kind === 'json' ? jsonOf(row, column) : kind === 'flag' ? value === 1 : value
  }
  // What wrote the row was typed by the same field table.
  return object as T
}

const blanks = new Map<readonly Field[], object>()

function blankOf(table: readonly Field[]): object {
  const known = blanks.get(table)
  if (known) return known
  const fresh = blank(table.map(({ property }) => property))
  blanks.set(table, fresh)
  return fresh
}

/** A JSON column. Throws STATE_CORRUPT, with the row by its first column. */
export function jsonOf(row: Row, column: string): unknown {
  const text = row[column] ?? null
  try {
    return text === null ? null : JSON.parse(String(text))
  } catch (error) {
    const name = String(Object.values(row)[0])
    throw new TdfError('STATE_CORRUPT', `the column "${column}" of ${name} is damaged`, { cause: error })
  }
}

/** The rows that can be read. One that is damaged never hides the others; asking for it alone says what it has. */
export function readable<R, T>(rows: readonly R[], read: (row: R) => T): T[] {
  return rows.flatMap(row => {
    try {
      return [read(row)]
    } catch (error) {
      if (error instanceof TdfError && error.code === 'STATE_CORRUPT') return []
      throw error
    }
  })
}

/** The id of a task, in the tables that hang on one. */
export const TASK_ID: Field = { property: 'id', column: 'task_id', kind: 'plain' }

export const insertion = (name: string, table: readonly Field[]) =>
  `insert into ${name} (${columnsOf(table)}) values (${holes(table)})`
export const columnsOf = (table: readonly Field[], prefix = '') => table.map(f => prefix + f.column).join(', ')
export const holes = (table: readonly Field[]) => table.map(() => '?').join(', ')
export const assignments = (table: readonly Field[]) => table.map(f => `${f.column} = ?`).join(', ')

function snake(property: string): string {
  return property.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
