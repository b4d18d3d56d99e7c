/** `tdf daemon logs`: the journal of the service, or the file of a daemon that is none. */
import { existsSync } from 'node:fs'
import { TdfError } from '../../src/core/errors.ts'
import { runForeground } from '../../src/platform/process.ts'
import type { Cli } from '../cli/cli.ts'
import { plainEnv } from '../cli/git.ts'
import { placeOf, type ScopeOptions } from './service/service-place.ts'
import { isService, logOf } from './start.ts'

/** Of a shell, for a program that it did not find. */
const NOT_FOUND = 127

interface LogOptions extends ScopeOptions {
  follow?: boolean
  tail: number
}

/** The terminal is that of the program that shows it: its exit code is ours. */
export async function readLog(cli: Cli, { follow = false, tail, ...chosen }: LogOptions): Promise<void> {
  const file = chosen.user || chosen.system ? null : logOf(cli).file
  const isOwn = file !== null && !isService(cli) && existsSync(file)
  const words = isOwn
    ? ['tail', '-n', String(tail), ...(follow ? ['-F'] : []), file]
    : ['journalctl', ...journalWords(cli, chosen), '--lines', String(tail), '--output', 'cat']
  const [program = '', ...args] = isOwn ? words : [...words, follow ? '--follow' : '--no-pager']
  const exit = await runForeground(program, args, { cwd: cli.cwd, env: plainEnv(cli) })
  if (exit === NOT_FOUND) {
    const message = `${program} was not found; without systemd the daemon logs to where it was started`
    throw new TdfError('SERVICE_FAILED', message, { hint: 'tdf daemon status' })
  }
  cli.exitCode = exit
}

const journalWords = (cli: Cli, chosen: ScopeOptions) => [
  ...(placeOf(cli, chosen).scope === 'user' ? ['--user'] : []),
  '--unit',
  'tdfd',
]
