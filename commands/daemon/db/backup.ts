/** Makes a backup through the daemon, or on the files when it is down. */
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { asTdfError } from '../../../src/core/errors.ts'
import type { BackupJson } from '../../../src/protocol/upkeep.ts'
import { type Cli, formatOf, printOne } from '../../cli/cli.ts'

export async function backup(cli: Cli, command: Command, to: string | undefined): Promise<void> {
  const target = to === undefined ? undefined : path.resolve(cli.cwd, to)
  const made = await viaDaemon(cli, target).catch(async thrown => {
    const { code } = asTdfError(thrown)
    if (!WITHOUT_DAEMON.includes(code)) throw thrown
    const { backUpDatabase, sharedUrl } = await import('./shared.ts')
    const { backupFiles } = await import('./run.ts')
    const url = sharedUrl(cli)
    if (url === null && code !== 'DAEMON_UNREACHABLE') throw thrown
    const offline = url === null ? backupFiles(cli) : await backUpDatabase(cli, url)
    if (target !== undefined) copyFileSync(offline.file, target)
    return offline
  })
  const shown = { ...made, file: target ?? made.file }
  printOne(cli, formatOf(command), shown, { id: shown.name, text: ({ file }) => file })
}

/** There is none, or it has no file: the database that daemons share is asked itself. */
const WITHOUT_DAEMON: string[] = ['DAEMON_UNREACHABLE', 'TAKEOVER', 'WRONG_STATE']
const MAKE_TIMEOUT_MS = 1_800_000

async function viaDaemon(cli: Cli, target: string | undefined): Promise<BackupJson> {
  const request = { method: 'POST', path: '/backups', timeoutMs: MAKE_TIMEOUT_MS } as const
  const made = await cli.client().call<BackupJson>(request)
  if (target !== undefined) await cli.client().raw({ path: `/backups/${made.name}`, download: target })
  return made
}
