/** What only the daemon's user may read: closed at every start, whoever opened it meanwhile. */
import { chmodSync, statSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../../src/errors.ts'

const FILES = ['tdf.db', 'tdf.db-wal', 'lock.db', 'observability.db', 'install.json', 'agent-token', 'daemon.json']
const FOLDERS = ['.', 'backups', 'bundles', 'downloads', 'logs', 'results', 'secrets']
const OTHERS = 0o077

/** Answers what was open to others before. Throws STATE_UNWRITABLE when something cannot be closed. */
export function closeToOthers(stateDir: string): string[] {
  const open = openToOthers(stateDir)
  for (const name of open) {
    const file = path.join(stateDir, name)
    try {
      chmodSync(file, statSync(file).mode & ~OTHERS & 0o777)
    } catch (error) {
      const message = `${file} is open to others and cannot be closed: ${asTdfError(error).message}`
      throw new TdfError('STATE_UNWRITABLE', message, { cause: error })
    }
  }
  return open
}

/** Names of files and folders of the state that others may read or change. */
export function openToOthers(stateDir: string): string[] {
  return [...FOLDERS, ...FILES].filter(name => {
    const mode = statSync(path.join(stateDir, name), { throwIfNoEntry: false })?.mode
    return mode !== undefined && (mode & OTHERS) !== 0
  })
}
