/** Opens `tdf.db`: checked, backed up before its schema changes, refused when it is broken or newer than this build. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../../core/errors.ts'
import { BACKUP_DIR, backUp, CHECKPOINT_PAGES, writeCopy } from './backup.ts'
import { MIGRATIONS } from './migrations.ts'
import { openSql, type Sql } from './sql.ts'
import { storageError } from './storage-error.ts'

/** What a connection to the state is set to. */
export const PRAGMAS =
  'pragma busy_timeout = 5000; pragma locking_mode = exclusive; pragma journal_mode = wal; ' +
  `pragma synchronous = full; pragma foreign_keys = on; pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`

/**
 * Throws STATE_CORRUPT, STATE_NEWER, STATE_LOCKED, STATE_UNWRITABLE or DISK_FULL; never puts an empty database in the
 * place of a broken one.
 */
export function openDatabase(stateDir: string, migrations: readonly string[] = MIGRATIONS): Sql {
  const file = path.join(stateDir, 'tdf.db')
  try {
    if (existsSync(file)) refuseForeignFile(file)
    else create(file)
  } catch (error) {
    throw refusal(error, file)
  }
  const sql = openOrRefuse(file)
  try {
    sql.script(PRAGMAS)
    checkIntegrity(sql, file)
    migrate(sql, stateDir, migrations)
    return sql
  } catch (error) {
    if (sql.inTransaction()) sql.script('rollback')
    sql.close()
    throw refusal(error, file)
  }
}

/** Whole from its first moment: an empty file is never ours, so that a database that lost its content is not taken for a new one. */
function create(file: string): void {
  if (existsSync(`${file}-wal`)) {
    throw new TdfError('STATE_CORRUPT', `${file} is gone and its log is still there; nothing was changed`, {
      hint: 'tdf db restore',
    })
  }
  const nothing = openSql(':memory:')
  writeCopy(nothing, file)
  nothing.close()
}

function openOrRefuse(file: string): Sql {
  try {
    return openSql(file)
  } catch (error) {
    throw new TdfError('STATE_UNWRITABLE', `cannot open ${file}: ${asTdfError(error).message}`, { cause: error })
  }
}

/** A file that lacks SQLite's first 16 bytes is somebody's data, or what is left of ours. */
function refuseForeignFile(file: string): void {
  const descriptor = openSync(file, 'r')
  const head = Buffer.alloc(16)
  const count = readSync(descriptor, head, 0, 16, 0)
  closeSync(descriptor)
  if (head.toString('latin1') !== 'SQLite format 3\0') {
    const what = count === 0 ? 'empty' : 'not a database'
    throw new TdfError('STATE_CORRUPT', `${file} is ${what}; nothing was changed`, { hint: 'tdf db restore' })
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

const DAMAGE = ['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_FORMAT']

function refusal(error: unknown, file: string): unknown {
  if (error instanceof TdfError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (DAMAGE.some(prefix => code.startsWith(prefix))) {
    const message = `${file} is damaged (${code}); nothing was changed`
    return new TdfError('STATE_CORRUPT', message, { cause: error, hint: 'tdf db restore' })
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return new TdfError('STATE_LOCKED', `another process is using ${file}`, { cause: error })
  }
  // What Node's file system says, such as EACCES or EROFS.
  if (/^E[A-Z]+$/.test(code)) {
    return new TdfError('STATE_UNWRITABLE', `cannot open ${file}: ${asTdfError(error).message}`, { cause: error })
  }
  const storage = storageError(error)
  return storage.code === 'BUG' ? error : storage
}
