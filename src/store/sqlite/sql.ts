/**
 * The one door to libsql. The binding aborts the whole process on a boolean, takes a missing parameter for NULL and
 * rounds large integers (libsql 0.5.29, each shown in test/unit/src/store/sql.test.ts), so every parameter is checked here.
 */
import { isMainThread } from 'node:worker_threads'
import Database from 'libsql'
import { TdfError } from '../../core/errors.ts'

export type Value = string | number | bigint | null | Uint8Array
export type Row = Readonly<Record<string, Value>>

export interface Sql {
  one(sql: string, ...parameters: Value[]): Row | undefined
  all(sql: string, ...parameters: Value[]): Row[]
  /** Returns the number of changed rows. */
  run(sql: string, ...parameters: Value[]): number
  /** Inserts one row without a conflict clause; returns its rowid. */
  insert(sql: string, ...parameters: Value[]): number
  /** Statements without parameters, several at once. */
  script(sql: string): void
  inTransaction(): boolean
  close(): void
}

interface Prepared {
  statement: Database.Statement
  columns: string[]
  blank: Row
  parameterCount: number
}

/** Opens a database file. Nothing else in this process may open it: a second open and close drops the lock. */
export function openSql(file: string): Sql {
  // A worker that is ended in the middle of a query may take the whole process along.
  if (!isMainThread) throw new TdfError('BUG', 'libsql is not usable in a worker thread')
  const database = new Database(file)
  const prepared = new Map<string, Prepared>()
  // libsql runs statements of a closed database, and aborts the process when it is asked about its transaction.
  let isOpen = true

  function assertOpen(sql: string): void {
    if (!isOpen) throw new TdfError('BUG', `the database is closed: ${sql}`)
  }

  function prepare(sql: string): Prepared {
    assertOpen(sql)
    const known = prepared.get(sql)
    if (known) return known
    assertPreparable(sql)
    const statement = database.prepare(sql)
    const columns = statement.reader ? statement.columns().map(column => column.name) : []
    if (statement.reader) statement.raw(true)
    const fresh = { statement, columns, blank: blank(columns), parameterCount: countPlaceholders(sql) }
    prepared.set(sql, fresh)
    return fresh
  }

  /** The statement, with `values` checked and made readable in place. */
  function bind(sql: string, values: Value[]): Prepared {
    const known = prepare(sql)
    if (values.length !== known.parameterCount) {
      throw new TdfError('BUG', `${known.parameterCount} parameters wanted, ${values.length} given: ${sql}`)
    }
    for (let index = 0; index < values.length; index++) {
      const value = values[index]
      assertBindable(value, sql)
      if (typeof value === 'string') values[index] = readable(value)
    }
    return known
  }

  function close(): void {
    if (!isOpen) return
    isOpen = false
    prepared.clear()
    database.close()
  }

  return {
    one(sql, ...values) {
      const prepared = bind(sql, values)
      const row = prepared.statement.get(values) as Value[] | undefined
      return row && toRow(prepared, row)
    },
    all(sql, ...values) {
      const prepared = bind(sql, values)
      return (prepared.statement.all(values) as Value[][]).map(row => toRow(prepared, row))
    },
    run: (sql, ...values) => bind(sql, values).statement.run(values).changes,
    insert: (sql, ...values) => Number(bind(sql, values).statement.run(values).lastInsertRowid),
    script(sql) {
      assertOpen(sql)
      database.exec(sql)
    },
    inTransaction: () => isOpen && database.inTransaction,
    close,
  }
}

function toRow({ columns, blank }: Prepared, values: Value[]): Row {
  const row: Record<string, Value> = { ...blank }
  for (const [index, column] of columns.entries()) row[column] = values[index] ?? null
  return row
}

/**
 * An object with these names, all null, of one shape; `{ ...blank(names) }` keeps it, and so does filling it. V8 makes a
 * hash table of an object that grows by more than a dozen computed names: a copy of it takes 4 µs, of a shape 0.3; 3 % of the throughput
 * row.
 */
export function blank(names: readonly string[]): Readonly<Record<string, null>> {
  return JSON.parse(JSON.stringify(Object.fromEntries(names.map(name => [name, null]))))
}

/**
 * `run` of INSERT … RETURNING neither commits nor frees its lock (libsql-js#238), and a prepared BEGIN that meets a lock
 * makes every later COMMIT fail (libsql-client-ts#352). Nothing here needs either.
 */
function assertPreparable(sql: string): void {
  const text = withoutQuotes(sql)
  if (/\breturning\b/i.test(text)) throw new TdfError('BUG', `RETURNING is not usable with libsql: ${sql}`)
  if (/^\s*(begin|commit|end|rollback|savepoint|release)\b/i.test(text)) {
    throw new TdfError('BUG', `a transaction is begun and ended by a script: ${sql}`)
  }
}

function assertBindable(value: unknown, sql: string): void {
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) return
  if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return
  // A larger one would be stored as it is and read back rounded.
  if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return
  throw new TdfError('BUG', `a ${typeof value} (${String(value)}) cannot be stored: ${sql}`)
}

/** libsql reads a text only up to its first NUL; the picture of a NUL keeps what stands behind it. */
function readable(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\u2400') : text
}

const countPlaceholders = (sql: string) => withoutQuotes(sql).split('?').length - 1

/** A statement without its strings, quoted names and comments. */
function withoutQuotes(sql: string): string {
  return sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\//g, ' ')
}
