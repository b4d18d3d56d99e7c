/** The state of the installation, opened for this daemon alone: folders, lock, identity, the two databases. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { asTdfError, TdfError } from '../src/errors.ts'
import { type Install, readInstall } from '../src/install.ts'
import { takeLock } from '../src/store/lock.ts'
import { type Observability, openObservability } from '../src/store/observability.ts'
import { openStore, type Store } from '../src/store/store.ts'
import { closeToOthers } from './care/modes.ts'
import type { DaemonOptions } from './options.ts'
import type { Shutdown } from './shutdown.ts'

export interface StateFolder {
  install: Install
  store: Store
  observability: Observability
  /** When this daemon took it, as ISO 8601. */
  startedAt: string
}

/** `giveUpReserve` makes room for the state on a full disk. Throws STATE_LOCKED and what else is in the way. */
export function openStateFolder(
  { world, paths, log }: Pick<DaemonOptions, 'world' | 'paths' | 'log'>,
  { undoLater }: Pick<Shutdown, 'undoLater'>,
  giveUpReserve: () => boolean,
): StateFolder {
  const { stateDir, runDir } = paths
  for (const folder of [stateDir, runDir, path.join(stateDir, 'bundles'), path.join(stateDir, 'downloads')]) {
    makeFolder(folder)
  }
  const startedAt = new Date(world.clock.now()).toISOString()
  const lock = takeLock(stateDir, { pid: process.pid, startedAt })
  undoLater(() => lock.release())
  const opened = closeToOthers(stateDir)
  if (opened.length > 0) log.warn({ opened }, 'the state was open to others, and is not any more')
  const install = readInstall(stateDir, world.random)
  const store = openStore(stateDir, world, giveUpReserve)
  undoLater(() => store.close())
  const observability = openObservability(stateDir, world.clock.now())
  undoLater(() => observability.close())
  return { install, store, observability, startedAt }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new TdfError('STATE_UNWRITABLE', `${folder} cannot be made: ${asTdfError(error).message}`, { cause: error })
  }
}
