/** `tdf db check|backup|restore` where the state is in a database that daemons share. */
import { copyFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { loadConfig } from '../../../src/config/load/load.ts'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { makeStateFolder } from '../../../src/platform/files.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { BackupJson } from '../../../src/protocol/upkeep.ts'
import { backUpShared, copyShared, type SharedCopy } from '../../../src/store/ledger/copy.ts'
import { type InstallationKey, keyFileOf, readKey } from '../../../src/store/ledger/key.ts'
import { restoreState } from '../../../src/store/ledger/move.ts'
import { openSealed } from '../../../src/store/ledger/state-files.ts'
import { storeUrl } from '../../../src/store/ledger/url.ts'
import { examine, type Finding } from '../../../src/store/sqlite/backup.ts'
import { openSql } from '../../../src/store/sqlite/sql.ts'
import { movedTo } from '../../../src/store/tables/meta.ts'
import { confirmed } from '../../cli/ask.ts'
import { type Cli, formatOf, print, printJson, say } from '../../cli/cli.ts'
import { type Joined, joined, locked, ownName } from './move.ts'
import { broken, stamped, wholeBackup } from './run.ts'

/** Null where the state is in a file. */
export function sharedUrl(cli: Cli): string | null {
  return storeUrl(loadConfig({ file: cli.paths().configFile, env: cli.env }).config.store, cli.env)
}

/** Whichever daemon serves goes on. Throws STATE_CORRUPT with what is wrong. */
export async function checkShared(cli: Cli, command: Command, url: string): Promise<void> {
  const copy = await copyShared(url, realWorld().clock)
  try {
    const seen = examine(copy.sql)
    const missing = copy.brokenBlobs.map(name => `of ${name} a part is missing`)
    const found: Finding = {
      file: copy.where,
      ...seen,
      problems: [...seen.problems, ...keyProblems(cli, copy), ...missing],
    }
    if (formatOf(command) === 'json') printJson(cli, found)
    if (found.problems.length > 0) throw broken(found)
    const left = movedTo(copy.sql)
    const what = `schema ${found.schema}, ${found.tasks} tasks, ${copy.blobs} results, bundles and logs, epoch ${copy.epoch}`
    const also = left === null ? '' : `; it is a left copy, the state went to ${left}`
    if (formatOf(command) !== 'json') print(cli, `${found.file}: whole, ${what}${also}`)
  } finally {
    copy.sql.close()
  }
}

/** Secrets and keys are looked at where the key of the installation is there. */
function keyProblems(cli: Cli, { sql, keyCheck }: SharedCopy): string[] {
  try {
    const key = keyHere(cli)
    if (key === null) return []
    if (key.fingerprint !== keyCheck) return ['the key file of this host is not that of the installation']
    openSealed(sql, key)
    return []
  } catch (thrown) {
    return [asTdfError(thrown).message]
  }
}

function keyHere(cli: Cli): InstallationKey | null {
  const { stateDir, configFile } = cli.paths()
  const { cluster } = loadConfig({ file: configFile, env: cli.env }).config
  try {
    return readKey(keyFileOf(stateDir, cluster), realWorld().random)
  } catch (thrown) {
    if (asTdfError(thrown).code === 'NOT_FOUND') return null
    throw thrown
  }
}

export async function backUpDatabase(cli: Cli, url: string): Promise<BackupJson> {
  const { stateDir } = cli.paths()
  makeStateFolder(stateDir)
  const { clock } = realWorld()
  const copy = await copyShared(url, clock)
  try {
    const { name, at } = stamped('tdf')
    const file = backUpShared(copy, stateDir, name)
    return { name, file, bytes: statSync(file).size, at }
  } finally {
    copy.sql.close()
  }
}

/** Throws WRONG_STATE while any daemon of the installation is there, and STATE_FOREIGN for a backup of another one. */
export async function restoreShared(cli: Cli, command: Command, url: string, given: string | undefined): Promise<void> {
  const { source, about } = wholeBackup(cli, given)
  if (!(await confirmed(cli, command, `put ${about} in the place of what PostgreSQL has?`))) return
  const { stateDir } = cli.paths()
  makeStateFolder(stateDir)
  const put = async ({ member, ledger, key }: Joined) => {
    const others = (await member.members()).filter(({ name, isThere }) => isThere && name !== ownName())
    if (others[0]) {
      const message = `${others[0].name} is there: stop every daemon first`
      throw new TdfError('WRONG_STATE', message, { hint: 'tdf cluster ls' })
    }
    const part = path.join(stateDir, 'restore.part')
    rmSync(part, { force: true })
    copyFileSync(source, part)
    const sql = openSql(part)
    try {
      const aside = await keptAside(url, stateDir)
      const rows = await restoreState({ ledger, key }, sql, member.installId)
      return { restored: source, aside, rows }
    } finally {
      sql.close()
      for (const suffix of ['', '-wal', '-shm']) rmSync(part + suffix, { force: true })
    }
  }
  const restored = await locked(stateDir, () => joined(cli, { url }, put))
  if (formatOf(command) === 'json') return printJson(cli, restored)
  const kept = restored.aside === null ? '' : `; what was there is kept as ${restored.aside}`
  say(cli, `${restored.rows} rows of ${source} are in place${kept}`)
}

/** Null where nothing was there. */
async function keptAside(url: string, stateDir: string): Promise<string | null> {
  try {
    const copy = await copyShared(url, realWorld().clock)
    try {
      return backUpShared(copy, stateDir, stamped('before-restore').name)
    } finally {
      copy.sql.close()
    }
  } catch (thrown) {
    if (asTdfError(thrown).code === 'NOT_FOUND') return null
    throw thrown
  }
}
