/**
 * The one door to libsql. The binding aborts the whole process on a boolean, takes a missing parameter for NULL and
 * rounds large integers (libsql 0.5.29, each shown in test/src/store/sql.test.ts), so every parameter is checked here.
 */
import Database from 'libsql'
import { TdfError } from '../errors.ts'

export type Value = string | number | bigint | null | Uint8Array
export type Row = Readonly<Record<string, Value>>

export interface Sql {
  one(sql: string, ...parameters: Value[]): Row | undefined
  all(sql: string, ...parameters: Value[]): Row[]
  /** Returns the number of changed rows. */
  run(sql: string, ...parameters: Value[]): number
  /** Statements without parameters, several at once. */
  script(sql: string): void
  inTransaction(): boolean
  close(): void
}

interface Prepared {
  statement: Database.Statement
  columns: string[]
  parameterCount: number
}

/** Opens a database file. Nothing else in this process may open it: a second open and close drops the lock. */
export function openSql(file: string): Sql {
  const database = new Database(file)
  const prepared = new Map<string, Prepared>()

  function prepare(sql: string): Prepared {
    const known = prepared.get(sql)
    if (known) return known
    const statement = database.prepare(sql)
    // `run` of INSERT … RETURNING neither commits nor frees its lock (libsql-js#238); nothing here needs RETURNING.
    if (/\breturning\b/i.test(sql)) throw new TdfError('BUG', `RETURNING is not usable with libsql: ${sql}`)
    const columns = statement.reader ? statement.columns().map(column => column.name) : []
    if (statement.reader) statement.raw(true)
    const fresh = { statement, columns, parameterCount: countPlaceholders(sql) }
    prepared.set(sql, fresh)
    return fresh
  }

  function bind(sql: string, parameters: Value[]): Prepared {
    const known = prepare(sql)
    if (parameters.length !== known.parameterCount) {
      throw new TdfError('BUG', `${known.parameterCount} parameters wanted, ${parameters.length} given: ${sql}`)
    }
    for (const parameter of parameters) assertBindable(parameter, sql)
    return known
  }

  return {
    one(sql, ...parameters) {
      const { statement, columns } = bind(sql, parameters)
      const values = statement.get(parameters) as Value[] | undefined
      return values && toRow(columns, values)
    },
    all(sql, ...parameters) {
      const { statement, columns } = bind(sql, parameters)
      return (statement.all(parameters) as Value[][]).map(values => toRow(columns, values))
    },
    run: (sql, ...parameters) => bind(sql, parameters).statement.run(parameters).changes,
    script: sql => void database.exec(sql),
    inTransaction: () => database.inTransaction,
    close: () => {
      prepared.clear()
      database.close()
    },
  }
}

function toRow(columns: string[], values: Value[]): Row {
  const row: Record<string, Value> = {}
  for (let index = 0; index < columns.length; index++) row[columns[index] ?? ''] = values[index] ?? null
  return row
}

function assertBindable(value: unknown, sql: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return
  if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return
  if (value instanceof Uint8Array) return
  throw new TdfError('BUG', `a ${typeof value} (${String(value)}) cannot be stored: ${sql}`)
}

/** Counts `?` outside of strings, quoted names and comments. */
function countPlaceholders(sql: string): number {
  return sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*/g, '').split('?').length - 1
}
