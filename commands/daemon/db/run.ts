/**
 * The database as a file, while no daemon has it: the one command that does not go through the daemon. It takes the
 * daemon's own lock first, so that the two never meet.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import { TdfError } from '../../../src/core/errors.ts'
import { makeStateFolder } from '../../../src/platform/files.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { BackupJson } from '../../../src/protocol/upkeep.ts'
import { BACKUP_DIR, backUp, type Finding, inspect, putBack } from '../../../src/store/sqlite/backup.ts'
import { takeLock } from '../../../src/store/sqlite/lock.ts'
import { openDatabase } from '../../../src/store/sqlite/open.ts'
import { confirmed } from '../../cli/ask.ts'
import { type Cli, formatOf, print, printJson, say } from '../../cli/cli.ts'

/** Throws STATE_LOCKED while a daemon runs. */
export function whileDown<T>(stateDir: string, act: () => T): T {
  const startedAt = new Date(realWorld().clock.now()).toISOString()
  const lock = takeLock(stateDir, { pid: process.pid, startedAt })
  try {
    return act()
  } finally {
    lock.release()
  }
}

/** Throws NOT_FOUND. */
function existing(stateDir: string): string {
  const file = path.join(stateDir, 'tdf.db')
  if (existsSync(file)) return file
  throw new TdfError('NOT_FOUND', `there is no database in ${stateDir}`, { hint: 'tdf daemon start' })
}

export function backupFiles(cli: Cli): BackupJson {
  const { stateDir } = cli.paths()
  existing(stateDir)
  return whileDown(stateDir, () => {
    const { name, at } = stamped('tdf')
    const sql = openDatabase(stateDir)
    const file = backUp(sql, stateDir, name)
    sql.close()
    return { name, file, bytes: statSync(file).size, at }
  })
}

/** The name of a backup that is made now. */
export function stamped(what: string): Pick<BackupJson, 'name' | 'at'> {
  const at = new Date(realWorld().clock.now()).toISOString()
  return { name: `${what}-${at.replace(/[-:]|\.\d+/g, '')}.db`, at }
}

/** Throws STATE_CORRUPT with what is wrong. */
export function check(cli: Cli, command: Command, file: string | undefined): void {
  const { stateDir } = cli.paths()
  const found =
    file === undefined ? whileDown(stateDir, () => inspect(existing(stateDir))) : inspect(path.resolve(cli.cwd, file))
  if (formatOf(command) === 'json') printJson(cli, found)
  if (found.problems.length > 0) throw broken(found)
  if (formatOf(command) !== 'json') print(cli, `${found.file}: whole, schema ${found.schema}, ${found.tasks} tasks`)
}

export function broken({ file, problems }: Finding): TdfError {
  const [first, ...more] = problems
  const others = more.length === 0 ? '' : ` and ${more.length} more`
  return new TdfError('STATE_CORRUPT', `${file}: ${first}${others}`, { hint: 'tdf db restore' })
}

export async function restore(cli: Cli, command: Command, file: string | undefined): Promise<void> {
  const { stateDir } = cli.paths()
  const { source, about } = wholeBackup(cli, file)
  makeStateFolder(stateDir)
  whileDown(stateDir, () => {})
  if (!(await confirmed(cli, command, `put ${about} in the place of the database?`))) return
  const aside = whileDown(stateDir, () => putBack(stateDir, source, realWorld().clock.now()))
  if (formatOf(command) === 'json') return printJson(cli, { restored: source, aside })
  say(cli, `${source} is in place${aside === null ? '' : `; what was there is kept as ${aside}`}`)
}

/** The one that is named, or the newest. Throws NOT_FOUND and STATE_CORRUPT. */
export function wholeBackup(cli: Cli, file: string | undefined): { source: string; about: string } {
  const source = file === undefined ? newestBackup(cli.paths().stateDir) : path.resolve(cli.cwd, file)
  const found = inspect(source)
  if (found.problems.length > 0) throw broken(found)
  return { source, about: `${source} (schema ${found.schema}, ${found.tasks} tasks)` }
}

function newestBackup(stateDir: string): string {
  const folder = path.join(stateDir, BACKUP_DIR)
  const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.db')) : []
  const dated = names.map(name => ({ file: path.join(folder, name), at: statSync(path.join(folder, name)).mtimeMs }))
  const newest = dated.sort((a, b) => b.at - a.at)[0]
  if (newest) return newest.file
  throw new TdfError('NOT_FOUND', `there is no backup in ${folder}`, { hint: 'tdf db restore --help' })
}
