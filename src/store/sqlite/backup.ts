/** A database as a file that nobody has open: is it whole, and how it is put in place of another. */
import { chmodSync, copyFileSync, existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../../core/errors.ts'
import { makeFolder, moveDurable, syncPath } from '../../platform/files.ts'
import { markRestored } from '../tables/meta.ts'
import { MIGRATIONS } from './migrations.ts'
import { openSql, type Sql } from './sql.ts'
import { storageError } from './storage-error.ts'

export interface Finding {
  file: string
  schema: number
  tasks: number
  /** Empty when it is whole. */
  problems: string[]
}

const PROBLEMS_MAX = 100

/**
 * Reads it through and changes nothing that is in it. Throws NOT_FOUND, and DISK_FULL or STATE_UNWRITABLE where the place
 * does not let it be read: a log beside it takes room before it can be.
 */
export function inspect(file: string): Finding {
  if (!existsSync(file)) throw new TdfError('NOT_FOUND', `there is no file ${file}`, { hint: 'tdf db --help' })
  let sql: Sql | undefined
  try {
    sql = openSql(file)
    return { file, ...examine(sql) }
  } catch (thrown) {
    const refused = storageError(thrown)
    if (['DISK_FULL', 'STATE_UNWRITABLE'].includes(refused.code)) throw refused
    return { file, schema: 0, tasks: 0, problems: [`it cannot be read: ${asTdfError(thrown).message}`] }
  } finally {
    sql?.close()
  }
}

/** The same of one that is open. */
export function examine(sql: Sql): Omit<Finding, 'file'> {
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
  syncPath(part)
  const aside = `${file}.before-restore-${now}`
  const wasThere = existsSync(file)
  // The log goes with its database: beside another one it would be taken for that one's.
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) moveDurable(file + suffix, aside + suffix)
  }
  moveDurable(part, file)
  return wasThere ? aside : null
}

function mark(file: string): void {
  const sql = openSql(file)
  // Without a log beside it, which would not come along.
  sql.script('pragma journal_mode = delete')
  markRestored(sql)
  sql.close()
}

export const BACKUP_DIR = 'backups'
/**
 * Pages in the write-ahead log after which a commit writes them home itself (wal_autocheckpoint), where there was no
 * pause to do it in: see checkpointer.ts. Calls wait for it meanwhile.
 */
export const CHECKPOINT_PAGES = 4_000

/** Writes a consistent copy into the backup folder, in one go. Returns its path. */
export function backUp(sql: Sql, stateDir: string, name: string): string {
  const folder = path.join(stateDir, BACKUP_DIR)
  makeFolder(folder)
  const target = path.join(folder, name)
  writeCopy(sql, target)
  return target
}

/** Whole or not at all. Throws DISK_FULL or STATE_UNWRITABLE where SQLite names the place. */
export function writeCopy(sql: Sql, target: string): void {
  const part = `${target}.part`
  rmSync(part, { force: true })
  try {
    sql.run('vacuum into ?', part)
    chmodSync(part, 0o600)
    syncPath(part)
    moveDurable(part, target)
  } catch (thrown) {
    rmSync(part, { force: true })
    const refused = storageError(thrown)
    throw refused.code === 'BUG' ? thrown : refused
  }
}

export function databaseBytes(sql: Sql): number {
  const pages = Number(sql.one('pragma page_count')?.page_count ?? 0)
  return pages * Number(sql.one('pragma page_size')?.page_size ?? 0)
}

/**
 * Writes everything home and leaves the file of the database as it is from then on: it is whole, and may be copied by
 * another process (never by this one, which would lose its lock) while commits go on into the log.
 */
export function freezeFile(sql: Sql): void {
  sql.script('pragma wal_autocheckpoint = 0; pragma wal_checkpoint(truncate)')
}

export function thawFile(sql: Sql): void {
  sql.script(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
}
