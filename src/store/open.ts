/** Opens `tdf.db`: checked, backed up before its schema changes, refused when it is broken or newer than this build. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../errors.ts'
import { MIGRATIONS } from './migrations.ts'
import { openSql, type Sql } from './sql.ts'

const BACKUP_DIR = 'backups'

/** Throws STATE_CORRUPT, STATE_NEWER or STATE_UNWRITABLE; never puts an empty database in the place of a broken one. */
export function openDatabase(stateDir: string, migrations: readonly string[] = MIGRATIONS): Sql {
  const file = path.join(stateDir, 'tdf.db')
  refuseForeignFile(file)
  const sql = openOrRefuse(file)
  try {
    sql.script(
      'pragma busy_timeout = 5000; pragma locking_mode = exclusive; pragma journal_mode = wal; ' +
        'pragma synchronous = full; pragma foreign_keys = on; pragma wal_autocheckpoint = 4000',
    )
    checkIntegrity(sql, file)
    migrate(sql, stateDir, migrations)
    return sql
  } catch (error) {
    sql.close()
    throw corruption(error, file)
  }
}

function openOrRefuse(file: string): Sql {
  try {
    return openSql(file)
  } catch (error) {
    throw new TdfError('STATE_UNWRITABLE', `cannot open ${file}: ${asTdfError(error).message}`, { cause: error })
  }
}

/** A file that is not empty and lacks SQLite's first 16 bytes is somebody's data. */
function refuseForeignFile(file: string): void {
  if (!existsSync(file)) return
  const descriptor = openSync(file, 'r')
  const head = Buffer.alloc(16)
  const count = readSync(descriptor, head, 0, 16, 0)
  closeSync(descriptor)
  if (count > 0 && head.toString('latin1') !== 'SQLite format 3\0') {
    throw new TdfError('STATE_CORRUPT', `${file} is not a database; nothing was changed`, { hint: 'tdf db restore' })
  }
}

function checkIntegrity(sql: Sql, file: string): void {
  const finding = sql.one('pragma quick_check(1)')
  const verdict = finding ? Object.values(finding)[0] : 'no answer'
  if (verdict !== 'ok') {
    throw new TdfError('STATE_CORRUPT', `${file} is damaged (${verdict}); nothing was changed`, {
      hint: 'tdf db restore',
    })
  }
}

function migrate(sql: Sql, stateDir: string, migrations: readonly string[]): void {
  const version = Number(sql.one('pragma user_version')?.user_version ?? 0)
  if (version > migrations.length) {
    throw new TdfError(
      'STATE_NEWER',
      `the state is of schema ${version}, this tdf knows up to ${migrations.length}; install the newer tdf again, ` +
        `or restore a backup of schema ${migrations.length} from ${path.join(stateDir, BACKUP_DIR)}`,
    )
  }
  if (version === migrations.length) return
  if (version > 0) backUp(sql, stateDir, `before-schema-${migrations.length}.db`)
  sql.script('begin immediate')
  for (const step of migrations.slice(version)) sql.script(step)
  sql.script(`pragma user_version = ${migrations.length}; commit`)
}

/** Writes a consistent copy into the backup folder; whole or not at all. Returns its path. */
export function backUp(sql: Sql, stateDir: string, name: string): string {
  const folder = path.join(stateDir, BACKUP_DIR)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const target = path.join(folder, name)
  rmSync(`${target}.part`, { force: true })
  sql.run('vacuum into ?', `${target}.part`)
  const descriptor = openSync(`${target}.part`, 'r+')
  fsyncSync(descriptor)
  closeSync(descriptor)
  renameSync(`${target}.part`, target)
  return target
}

const DAMAGE = ['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_FORMAT']

function corruption(error: unknown, file: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!DAMAGE.some(prefix => code.startsWith(prefix))) return error
  return new TdfError('STATE_CORRUPT', `${file} is damaged (${code}); nothing was changed`, {
    cause: error,
    hint: 'tdf db restore',
  })
}
