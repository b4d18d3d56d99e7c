/** Starts the service anew, and reads what it wrote. */
import { TdfError } from '../src/errors.ts'
import { runForeground } from '../src/process.ts'
import { type Cli, say } from './cli.ts'
import { plainEnv } from './local-git.ts'
import { must, placeOf, type ScopeOptions, systemctl } from './service-place.ts'

const NOT_FOUND = 127

export async function control(cli: Cli, verb: 'start' | 'restart', chosen: ScopeOptions): Promise<void> {
  const { scope } = placeOf(cli, chosen)
  const hint = scope === 'user' ? 'tdf daemon install --user' : 'sudo tdf daemon install --system'
  await must(`the service did not ${verb}`, systemctl(cli, scope, verb, 'tdfd'), hint)
  say(cli, 'tdfd runs: tdf daemon status')
}

/** The terminal is the journal's: its exit code is ours. */
export async function readJournal(
  cli: Cli,
  { follow = false, tail, ...chosen }: ScopeOptions & { follow?: boolean; tail: number },
): Promise<void> {
  const { scope } = placeOf(cli, chosen)
  const words = [
    ...(scope === 'user' ? ['--user'] : []),
    ...['--unit', 'tdfd', '--lines', String(tail), '--output', 'cat'],
    ...(follow ? ['--follow'] : ['--no-pager']),
  ]
  const exit = await runForeground('journalctl', words, { cwd: cli.cwd, env: plainEnv(cli) })
  if (exit === NOT_FOUND) {
    const message = 'there is no journalctl here; a daemon without systemd writes to where it was started'
    throw new TdfError('SERVICE_FAILED', message, { hint: 'tdf daemon status' })
  }
  cli.exitCode = exit
}
