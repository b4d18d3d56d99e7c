/**
 * One daemon per state folder: an exclusive transaction on a tiny database, held until this process ends, however it
 * ends. A lock file with a pid would lie after a crash. Nothing else in this process may open the file: closing any
 * descriptor of it drops the lock (fcntl(2)); test/unit/src/store/lock.test.ts shows it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import Database from 'libsql'
import { TdfError } from '../../core/errors.ts'

export interface Lock {
  release(): void
}

/** Takes the lock, or throws STATE_LOCKED with what the holder wrote about itself. */
export function takeLock(stateDir: string, about: { pid: number; startedAt: string }): Lock {
  const file = path.join(stateDir, 'lock.db')
  let database: Database.Database | undefined
  try {
    database = new Database(file)
    database.exec('pragma busy_timeout = 0; pragma locking_mode = exclusive; begin exclusive')
  } catch (error) {
    database?.close()
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')) {
      throw new TdfError('STATE_LOCKED', `another daemon holds ${stateDir}: ${holder(stateDir)}`, { cause: error })
    }
    throw new TdfError('STATE_UNWRITABLE', `cannot lock ${file}: ${String(error)}`, { cause: error })
  }
  writeFileSync(holderFile(stateDir), JSON.stringify(about), { mode: 0o600 })
  const held = database
  return { release: () => held.close() }
}

const holderFile = (stateDir: string) => path.join(stateDir, 'daemon.json')

function holder(stateDir: string): string {
  try {
    const { pid, startedAt } = JSON.parse(readFileSync(holderFile(stateDir), 'utf8'))
    return `pid ${pid}, started ${startedAt}`
  } catch {
    return 'it left no note of its pid'
  }
}
