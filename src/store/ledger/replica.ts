/** A database in memory that follows a ledger while this daemon stands by, and is worked on once it serves. */
import { TdfError } from '../../core/errors.ts'
import { MIGRATIONS } from '../sqlite/migrations.ts'
import { openSql, type Sql } from '../sqlite/sql.ts'
import { type Change, type Replica, rowName, SCHEMA_TABLE, schemaRow } from './ledger.ts'
import { readRows, type Table, tablesOf, writeRows } from './rows.ts'

export interface MemoryReplica extends Replica {
  /** Hands the database over as this build wants it, with the rows that this changed. Nothing follows any more. */
  takeOver(): { sql: Sql; changes: Change[] }
}

export function openReplica(migrations: readonly string[] = MIGRATIONS): MemoryReplica {
  let sql: Sql | undefined
  let tables: Table[] = []
  let schema = 0

  return {
    apply(changes) {
      const told = changes.find(({ table }) => table === SCHEMA_TABLE)
      const version = told ? versionOf(told, migrations.length) : schema
      if (sql && version !== schema) return 'stale'
      const rows = changes.filter(change => change !== told)
      schema = version
      if (!sql) {
        sql = openMemory(migrations.slice(0, version))
        tables = tablesOf(sql)
      }
      writeRows(sql, rows, tables)
      return 'applied'
    },
    takeOver() {
      const memory = sql ?? openMemory([])
      sql = undefined
      return { sql: memory, changes: migrate(memory, migrations, schema) }
    },
    close() {
      sql?.close()
      sql = undefined
    },
  }
}

function openMemory(steps: readonly string[]): Sql {
  const sql = openSql(':memory:')
  for (const step of steps) sql.script(step)
  sql.script('pragma foreign_keys = on')
  return sql
}

function versionOf({ row }: Change, known: number): number {
  const version = Number((JSON.parse(row ?? '{}') as { version?: unknown }).version)
  if (!Number.isSafeInteger(version))
    throw new TdfError('STATE_CORRUPT', `the state is of schema ${row}, which is no number`)
  if (version <= known) return version
  const message = `the state is of schema ${version}, this tdf knows up to ${known}; install the newer tdf here too`
  throw new TdfError('STATE_NEWER', message)
}

/** Answers what is not stored yet: the rows that are other ones now, and the number of the schema. */
function migrate(sql: Sql, migrations: readonly string[], from: number): Change[] {
  if (from === migrations.length) return []
  const before = new Map(readRows(sql).map(change => [rowName(change), change]))
  for (const step of migrations.slice(from)) sql.script(step)
  const after = new Map(readRows(sql).map(change => [rowName(change), change]))
  const changed = [...after].filter(([name, { row }]) => before.get(name)?.row !== row).map(([, change]) => change)
  const gone = [...before].filter(([name]) => !after.has(name)).map(([, change]) => ({ ...change, row: null }))
  return [...gone, ...changed, schemaRow(migrations.length)]
}
