/** `tdf db export|import`: the whole state into a database that daemons share, and back. No daemon may have it meanwhile. */
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import { loadConfig } from '../../../src/config/load/load.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { makeStateFolder } from '../../../src/platform/files.ts'
import { placeWord, readInstall } from '../../../src/platform/install.ts'
import { silentLog } from '../../../src/platform/log.ts'
import { VERSION } from '../../../src/platform/version.ts'
import { realWorld } from '../../../src/platform/world.ts'
import { type InstallationKey, keyFileOf, keyIn } from '../../../src/store/ledger/key.ts'
import type { Ledger } from '../../../src/store/ledger/ledger.ts'
import { exportState, importState, type Moved } from '../../../src/store/ledger/move.ts'
import { type ClusterMember, joinInstallation } from '../../../src/store/ledger/postgres/member.ts'
import { openReplica } from '../../../src/store/ledger/replica.ts'
import { storeUrl } from '../../../src/store/ledger/url.ts'
import { takeLock } from '../../../src/store/sqlite/lock.ts'
import { openDatabase } from '../../../src/store/sqlite/open.ts'
import { movedTo } from '../../../src/store/tables/meta.ts'
import { type Cli, formatOf, printJson, say } from '../../cli/cli.ts'

/** The database answers, and nobody who served lately is waited for, in ms. */
const JOIN_MS_MAX = 30_000

export interface Joined {
  stateDir: string
  member: ClusterMember
  ledger: Ledger
  key: InstallationKey
}

export async function exportDatabase(cli: Cli, command: Command, to: string | undefined): Promise<void> {
  const { stateDir } = cli.paths()
  if (!existsSync(path.join(stateDir, 'tdf.db'))) {
    throw new TdfError('NOT_FOUND', `there is no database in ${stateDir}`, { hint: 'tdf daemon start' })
  }
  const moved = await locked(stateDir, async () => {
    const install = readInstall(stateDir, realWorld().random)
    const sql = openDatabase(stateDir)
    try {
      return await joined(cli, { url: to, installId: install.id }, ({ member, ledger, key }) => {
        if (member.installId !== install.id) {
          throw new TdfError('STATE_FOREIGN', 'the database is of another installation than this state', {
            hint: 'tdf db export --help',
          })
        }
        return exportState({ stateDir, ledger, key, to: `PostgreSQL at ${member.hosts.join(', ')}` }, sql, install)
      })
    } finally {
      sql.close()
    }
  })
  shown(cli, command, moved, 'the state is in the database, and the file is refused from now on: set [store] url')
}

export async function importDatabase(cli: Cli, command: Command, from: string | undefined): Promise<void> {
  const { stateDir } = cli.paths()
  makeStateFolder(stateDir)
  const moved = await locked(stateDir, () => {
    refuseOwnState(stateDir)
    return joined(cli, { url: from }, ({ member, ledger, key }) => {
      const to = `a file of ${hostname()}, ${stateDir}`
      return importState({ stateDir, ledger, key, to }, member.installId, realWorld().clock.now())
    })
  })
  shown(cli, command, moved, 'the state is in the file, and the database is refused from now on: take [store] url away')
}

/** A file that was exported is a left copy. Throws WRONG_STATE for any other. */
function refuseOwnState(stateDir: string): void {
  if (!existsSync(path.join(stateDir, 'tdf.db'))) return
  const sql = openDatabase(stateDir)
  const where = movedTo(sql)
  sql.close()
  if (where === null) {
    const message = `${stateDir} has a state of its own: it is not overwritten`
    throw new TdfError('WRONG_STATE', message, { hint: 'tdf db import --help' })
  }
}

/** Throws STATE_LOCKED while a daemon runs here. */
export async function locked<T>(stateDir: string, act: () => Promise<T>): Promise<T> {
  const startedAt = new Date(realWorld().clock.now()).toISOString()
  const lock = takeLock(stateDir, { pid: process.pid, startedAt })
  try {
    return await act()
  } finally {
    lock.release()
  }
}

/** Of these commands among the daemons of an installation. */
export const ownName = () => `${hostname()}-db`

/** Serves the installation for as long as `act` takes. Throws WRONG_STATE while a daemon does. */
export async function joined<T>(
  cli: Cli,
  { url: given, installId }: { url: string | undefined; installId?: string },
  act: (joined: Joined) => Promise<T>,
): Promise<T> {
  const { stateDir, configFile } = cli.paths()
  const { store, cluster } = loadConfig({ file: configFile, env: cli.env }).config
  const url = given ?? storeUrl(store, cli.env)
  if (url === null)
    throw new TdfError('USAGE', 'which database? [store] url is not set', { hint: 'tdf db export --help' })
  const { clock, random } = realWorld()
  const key = keyIn(keyFileOf(stateDir, cluster), random)
  const late = new AbortController()
  const message = `the database gave no answer within ${JOIN_MS_MAX / 1_000} s`
  const cancel = clock.timer(JOIN_MS_MAX, () => late.abort(new TdfError('STORE_AWAY', message)))
  const name = ownName()
  const id = installId === undefined ? {} : { installId }
  const member = await joinInstallation(
    {
      url,
      name,
      version: VERSION,
      place: placeWord(stateDir, random),
      keyCheck: key.check,
      keyNow: key.now,
      clock,
      random,
      log: silentLog,
      ...id,
    },
    late.signal,
  )
  try {
    const serving = (await member.members()).find(({ role, isThere }) => role === 'serving' && isThere)
    if (serving) {
      throw new TdfError('WRONG_STATE', `${serving.name} serves: stop every daemon first`, { hint: 'tdf cluster ls' })
    }
    const { ledger, replica } = await member.takeOver(openReplica)
    cancel()
    replica.close()
    try {
      return await act({ stateDir, member, ledger, key: key.get() })
    } finally {
      await ledger.close()
    }
  } finally {
    cancel()
    await member.close()
  }
}

function shown(cli: Cli, command: Command, moved: Moved, next: string): void {
  if (formatOf(command) === 'json') return printJson(cli, moved)
  const { rows, files, blobs } = moved
  say(cli, `${rows} rows, ${files} files of secrets and keys, ${blobs} results, bundles and logs: ${next}`)
}
