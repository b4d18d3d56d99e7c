/**
 * Which rows a group of writes touched, as they are at its end. Triggers note them, so that no function of the store knows
 * of it. All of it is temporary, and goes back with a transaction that is undone.
 */
import type { Sql } from '../sqlite/sql.ts'
import type { Change } from './ledger.ts'
import { counterOf, jsonOf, keyOf, type Table, tablesOf } from './rows.ts'

export interface Capture {
  /** Inside a transaction, at its end: the rows that it touched; begins anew. */
  take(): Change[]
}

export function createCapture(sql: Sql): Capture {
  const tables = tablesOf(sql)
  // Rows that another row replaces are gone by a delete, which triggers hear of only so.
  sql.script('pragma recursive_triggers = on')
  sql.script('create temp table touched (of_table text, of_key text, primary key (of_table, of_key)) without rowid')
  for (const table of tables) sql.script(triggersOf(table))
  const reads = tables.map(table => ({ table, query: readOf(table) }))
  /** Of a counter that is ahead of its rows: what was said of it last. */
  const told = new Map<string, string | null>()

  function countersOf(table: Table): Change[] {
    return counterOf(sql, table).filter(({ row }) => {
      const isKnown = told.get(table.name) === row
      told.set(table.name, row)
      return !isKnown
    })
  }

  return {
    take() {
      const names = new Set(sql.all('select distinct of_table as name from touched').map(({ name }) => name))
      const changes = reads
        .filter(({ table }) => names.has(table.name))
        .flatMap(({ table, query }) => {
          const rows = sql.all(query, table.name).map(row => ({
            table: table.name,
            key: String(row['the key']),
            row: row['the row'] === null ? null : String(row['the row']),
          }))
          return [...rows, ...countersOf(table)]
        })
      sql.run('delete from touched')
      return changes
    },
  }
}

function triggersOf(table: Table): string {
  const { name, key } = table
  // `insert or ignore` would not do: the conflict clause of the statement that fires a trigger overrides its own
  // (sqlite.org/lang_createtrigger.html).
  const note = (row: string, only = '') =>
    `insert into touched select '${name}', ${keyOf(table, row)} where not exists
       (select 1 from touched where of_table = '${name}' and of_key = ${keyOf(table, row)}) ${only};`
  const moved = `and (${key.map(column => `old.${column} is not new.${column}`).join(' or ')})`
  return `
    create temp trigger touched_${name}_insert after insert on main.${name} begin ${note('new')} end;
    create temp trigger touched_${name}_update after update on main.${name} begin ${note('new')} ${note('old', moved)} end;
    create temp trigger touched_${name}_delete after delete on main.${name} begin ${note('old')} end;`
}

function readOf(table: Table): string {
  const { name, key } = table
  const same = key.map((column, index) => `t.${column} = json_extract(c.of_key, '$[${index}]')`).join(' and ')
  return `select c.of_key as "the key", iif(t.${key[0]} is null, null, ${jsonOf(table)}) as "the row"
    from touched c left join main.${name} t on ${same} where c.of_table = ?`
}
