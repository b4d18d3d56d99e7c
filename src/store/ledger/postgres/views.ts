/** The rows as tables, for people with a client of PostgreSQL: a view in the schema `tdf` for each, for reading. */
import { MIGRATIONS } from '../../sqlite/migrations.ts'
import { openSql } from '../../sqlite/sql.ts'
import type { Connection } from './connection/connection.ts'

interface Table {
  name: string
  columns: { name: string; type: string }[]
}

/** What SQLite calls its types; everything else is shown as text. */
const TYPES: Readonly<Record<string, string>> = { INTEGER: 'bigint', REAL: 'double precision' }

/** Makes the views of this build's schema, where they are not there as it would make them. */
export async function makeViews(connection: Connection): Promise<void> {
  const [known] = await connection.query("select to_regnamespace('tdf') is not null as named")
  if (known?.named !== true) await connection.query('create schema tdf')
  for (const table of tables()) {
    const make = viewOf(table)
    const [view] = await connection.query("select obj_description(to_regclass($1), 'pg_class') as made", [
      `tdf.${table.name}`,
    ])
    if (view?.made === make) continue
    const comment = `comment on view tdf.${table.name} is '${make.replaceAll("'", "''")}'`
    await connection.query(`drop view if exists tdf.${table.name}; ${make}; ${comment}`)
  }
}

function tables(): Table[] {
  const sql = openSql(':memory:')
  for (const step of MIGRATIONS) sql.script(step)
  const names = sql.all("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
  const found = names.map(({ name }) => {
    const columns = sql.all(`pragma table_info('${name}')`)
    return {
      name: String(name),
      columns: columns.map(column => ({ name: String(column.name), type: String(column.type) })),
    }
  })
  sql.close()
  return found
}

function viewOf({ name, columns }: Table): string {
  const shown = columns.map(column => {
    const type = TYPES[column.type.toUpperCase()] ?? 'text'
    return `(r.document ->> '${column.name}')::${type} as "${column.name}"`
  })
  const rows = `select data::jsonb as document from tdf_ledger.rows where tbl = '${name}' and data is not null`
  return `create view tdf.${name} as select ${shown.join(', ')} from (${rows}) r`
}
