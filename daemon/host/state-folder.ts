/** The state of the installation, opened for this daemon alone: folders, lock, identity, the two databases. */
import { chmodSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { makeStateFolder } from '../../src/platform/files.ts'
import { type Install, readInstall } from '../../src/platform/install.ts'
import type { StateFiles } from '../../src/store/ledger/state-files.ts'
import { type Observability, openObservability } from '../../src/store/observability.ts'
import { takeLock } from '../../src/store/sqlite/lock.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { DaemonOptions } from '../services.ts'
import type { Shutdown } from './shutdown.ts'

export interface StateFolder {
  install: Install
  store: Store
  observability: Observability
  /** Left out: files of this folder are its own. */
  files?: StateFiles
  /** When this daemon took it, as ISO 8601. */
  startedAt: string
}

/** Makes the folders and takes the lock: this daemon alone is at work in them. Throws STATE_LOCKED and what else is in the way. */
export function lockStateFolder(
  { world, paths, log }: Pick<DaemonOptions, 'world' | 'paths' | 'log'>,
  { undoLater }: Pick<Shutdown, 'undoLater'>,
): Pick<StateFolder, 'startedAt'> {
  const { stateDir, runDir } = paths
  for (const folder of [stateDir, runDir, path.join(stateDir, 'bundles'), path.join(stateDir, 'downloads')]) {
    makeStateFolder(folder)
  }
  const startedAt = new Date(world.clock.now()).toISOString()
  const lock = takeLock(stateDir, { pid: process.pid, startedAt })
  undoLater(() => lock.release())
  const opened = closeToOthers(stateDir)
  if (opened.length > 0) log.warn({ opened }, 'the state was open to others, and is not any more')
  return { startedAt }
}

/** What daemons share: who they are together, and the store over their database. */
export type SharedState = Pick<StateFolder, 'install' | 'store' | 'files' | 'startedAt'>

/**
 * `giveUpReserve` makes room for the state on a full disk; `shared` is there in the place of the state's file. Throws STATE_LOCKED
 * and what else is in the way.
 */
export function openStateFolder(
  options: Pick<DaemonOptions, 'world' | 'paths' | 'log'>,
  shutdown: Pick<Shutdown, 'undoLater'>,
  giveUpReserve: () => boolean,
  shared?: SharedState,
): StateFolder {
  const { world, paths } = options
  const state = shared ?? openOwn(options, shutdown, giveUpReserve)
  shutdown.undoLater(() => state.store.close())
  const observability = openObservability(paths.stateDir, world.clock.now())
  shutdown.undoLater(() => observability.close())
  return { ...state, observability }
}

function openOwn(
  options: Pick<DaemonOptions, 'world' | 'paths' | 'log'>,
  shutdown: Pick<Shutdown, 'undoLater'>,
  giveUpReserve: () => boolean,
): SharedState {
  const { startedAt } = lockStateFolder(options, shutdown)
  const { world, paths } = options
  const install = readInstall(paths.stateDir, world.random)
  return { install, startedAt, store: openStore(paths.stateDir, world, giveUpReserve) }
}

/** What only the daemon's user may read: closed again at every start. */
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
