/** The rows of a database as values, and put back into one: what goes to a ledger and comes from it. */
import { asTdfError, TdfError } from '../../core/errors.ts'
import type { Row, Sql, Value } from '../sqlite/sql.ts'
import type { Change } from './ledger.ts'

/** A table as far as its rows are concerned. */
export interface Table {
  name: string
  /** Columns of the primary key, in its order. */
  key: string[]
  columns: string[]
  /** Those of `columns` whose numbers need not be whole. */
  reals: string[]
  /** Numbers are given by SQLite and never twice: see sqlite_sequence. */
  isCounted: boolean
}

/** Holds the highest number that a table with `autoincrement` has given; it is a table of SQLite's own. */
const COUNTERS = 'sqlite_sequence'

export function tablesOf(sql: Sql): Table[] {
  const query = `select name, sql like '%autoincrement%' as counted from sqlite_schema where type = 'table' and name not like 'sqlite_%'`
  return sql.all(query).map(({ name, counted }) => {
    const columns = sql.all(`pragma table_info('${name}')`)
    const key = columns.filter(({ pk }) => Number(pk) > 0).sort((a, b) => Number(a.pk) - Number(b.pk))
    const names = (of: readonly Row[]) => of.map(column => String(column.name))
    const reals = names(columns.filter(({ type }) => String(type).toLowerCase() === 'real'))
    return { name: String(name), key: names(key), columns: names(columns), reals, isCounted: counted === 1 }
  })
}

/** SQL for the key of a row as JSON; `row` is a name before each column, such as `new`. */
export const keyOf = ({ key }: Table, row: string) => `json_array(${key.map(column => `${row}.${column}`).join(', ')})`

/** SQL for a row of the table `t` as JSON. Numbers stay exact, which json_object alone cuts to 15 digits (SQLite 3.45). */
export function jsonOf({ columns, reals }: Table): string {
  const exact = (column: string) => `iif(t.${column} is null, null, json(printf('%!.17g', t.${column})))`
  const values = columns.map(column => `'${column}', ${reals.includes(column) ? exact(column) : `t.${column}`}`)
  return `json_object(${values.join(', ')})`
}

/** Every row, and how far the counters are. */
export function readRows(sql: Sql): Change[] {
  return tablesOf(sql).flatMap(table => {
    const rows = sql.all(
      `select ${keyOf(table, 't')} as "the key", ${jsonOf(table)} as "the row" from ${table.name} t order by ${table.key.join(', ')}`,
    )
    const changes = rows.map(row => ({ table: table.name, key: String(row['the key']), row: String(row['the row']) }))
    return [...changes, ...counterOf(sql, table)]
  })
}

/** The counter of a table as a row, where it is ahead of the rows that are there: else they tell it. */
export function counterOf(sql: Sql, { name, key, isCounted }: Table): Change[] {
  if (!isCounted) return []
  const given = sql.one(`select seq from ${COUNTERS} where name = ?`, name)?.seq ?? 0
  const newest = sql.one(`select max(${key[0]}) as newest from ${name}`)?.newest ?? 0
  if (Number(given) <= Number(newest)) return []
  return [{ table: COUNTERS, key: JSON.stringify([name]), row: JSON.stringify({ name, seq: given }) }]
}

/**
 * Puts rows into a database of the same schema, over older ones, and takes away those that are gone; in any order, all of
 * them or none. The result refers to itself correctly when the changes are whole groups. Throws STATE_CORRUPT.
 */
export function writeRows(sql: Sql, changes: readonly Change[], known: readonly Table[] = tablesOf(sql)): void {
  const tables = new Map(known.map(table => [table.name, table]))
  sql.script('pragma foreign_keys = off; begin immediate')
  try {
    for (const change of changes) writeRow(sql, tables, change)
    sql.script('commit; pragma foreign_keys = on')
  } catch (error) {
    sql.script('rollback')
    throw error
  }
}

function writeRow(sql: Sql, tables: ReadonlyMap<string, Table>, change: Change): void {
  try {
    if (change.table === COUNTERS) return raiseCounter(sql, change)
    const table = tables.get(change.table)
    if (!table) throw new Error('there is no such table')
    const { name, key, columns } = table
    if (change.row === null) {
      const where = key.map(column => `${column} = ?`).join(' and ')
      sql.run(`delete from ${name} where ${where}`, ...(JSON.parse(change.key) as Value[]))
      return
    }
    const row = JSON.parse(change.row) as Record<string, Value>
    const holes = columns.map(() => '?').join(', ')
    // What stands in the way of a row is older than it, and changes in the same groups.
    sql.run(
      `insert or replace into ${name} (${columns.join(', ')}) values (${holes})`,
      ...columns.map(column => row[column] ?? null),
    )
  } catch (error) {
    const message = `the row ${change.key} of ${change.table} cannot be taken over: ${asTdfError(error).message}`
    throw new TdfError('STATE_CORRUPT', message, { cause: error })
  }
}

function raiseCounter(sql: Sql, { row }: Change): void {
  if (row === null) return
  const { name, seq } = JSON.parse(row) as { name: string; seq: number }
  const known = sql.one(`select seq from ${COUNTERS} where name = ?`, name)
  if (!known) sql.run(`insert into ${COUNTERS} (name, seq) values (?, ?)`, name, seq)
  else if (Number(known.seq) < seq) sql.run(`update ${COUNTERS} set seq = ? where name = ?`, seq, name)
}
