/** A database as a file that nobody has open: is it whole, and how it is put in place of another. */
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../errors.ts'
import { syncFile } from './backup.ts'
import { markRestored } from './meta.ts'
import { MIGRATIONS } from './migrations.ts'
import { openSql, type Sql } from './sql.ts'

export interface Finding {
  file: string
  schema: number
  tasks: number
  /** Empty when it is whole. */
  problems: string[]
}

const PROBLEMS_MAX = 100

/** Reads it through and changes nothing that is in it. Throws NOT_FOUND. */
export function inspect(file: string): Finding {
  if (!existsSync(file)) throw new TdfError('NOT_FOUND', `there is no file ${file}`, { hint: 'tdf db --help' })
  let sql: Sql | undefined
  try {
    sql = openSql(file)
    return { file, ...look(sql) }
  } catch (thrown) {
    return { file, schema: 0, tasks: 0, problems: [`it cannot be read: ${asTdfError(thrown).message}`] }
  } finally {
    sql?.close()
  }
}

function look(sql: Sql): Omit<Finding, 'file'> {
  const pages = sql.all(`pragma integrity_check(${PROBLEMS_MAX})`).map(row => String(Object.values(row)[0]))
  const schema = Number(sql.one('pragma user_version')?.user_version ?? 0)
  const problems = pages.filter(said => said !== 'ok')
  if (problems.length > 0) return { schema, tasks: 0, problems }
  if (schema === 0) return { schema, tasks: 0, problems: ['it is not a database of tdf'] }
  if (schema > MIGRATIONS.length) {
    problems.push(`it is of schema ${schema}, this tdf knows up to ${MIGRATIONS.length}`)
  }
  const strays = sql
    .all('pragma foreign_key_check')
    .map(row => `a row of ${row.table} names one of ${row.parent} that is not there`)
  const tasks = Number(sql.one('select count(*) as count from tasks')?.count ?? 0)
  return { schema, tasks, problems: [...problems, ...strays, ...damagedRows(sql)] }
}

/** JSON in text columns, which SQLite does not look at. */
const JSON_COLUMNS = [
  ['tasks', 'id', 'spec'],
  ['attempts', 'task_id', 'facts'],
  ['attempts', 'task_id', 'result'],
  ['attempts', 'task_id', 'usage'],
  ['attempts', 'task_id', 'error'],
  ['inbox', 'task_id', 'payload'],
  ['nodes', 'name', 'facts'],
] as const

function damagedRows(sql: Sql): string[] {
  return JSON_COLUMNS.flatMap(([table, key, column]) =>
    sql
      .all(
        `select ${key} as name from ${table} where ${column} is not null and not json_valid(${column}) limit ${PROBLEMS_MAX}`,
      )
      .map(({ name }) => `${table}: the column "${column}" of ${name} is damaged`),
  )
}

/**
 * Puts `source` in the place of the database, marked as restored, and keeps what was there. Answers the name of that;
 * null when there was nothing. The lock must be held.
 */
export function putBack(stateDir: string, source: string, now: number): string | null {
  const file = path.join(stateDir, 'tdf.db')
  const part = `${file}.part`
  rmSync(part, { force: true })
  copyFileSync(source, part)
  chmodSync(part, 0o600)
  mark(part)
  syncFile(part)
  const aside = `${file}.before-restore-${now}`
  const wasThere = existsSync(file)
  // The log goes with its database: beside another one it would be taken for that one's.
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
  }
  renameSync(part, file)
  syncFile(stateDir)
  return wasThere ? aside : null
}

function mark(file: string): void {
  const sql = openSql(file)
  // Without a log beside it, which would not come along.
  sql.script('pragma journal_mode = delete')
  markRestored(sql)
  sql.close()
}
