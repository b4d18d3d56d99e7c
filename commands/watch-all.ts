/** `tdf watch` without a task: the dashboard on a terminal, else events as they happen, one object a line. */
import type { Cli } from './cli.ts'
import type { Format } from './formats.ts'
import { followEvents } from './observe-run.ts'

export interface WatchAllOptions {
  format: Format
  isReadOnly: boolean
}

export async function watchAll(cli: Cli, { format, isReadOnly }: WatchAllOptions): Promise<void> {
  const { stdin, stdout, env } = cli
  const isScreen = stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb' && (format === 'table' || format === 'wide')
  if (!isScreen) return followEvents(cli, 'now')
  prepare(env)
  const { openDashboard } = await import('../src/tui/open.ts')
  cli.exitCode = await openDashboard({ client: cli.client(), stdin, stdout, isReadOnly })
}

/** Before Ink is loaded: it draws nothing where CI is set, and its colours know FORCE_COLOR but not NO_COLOR. */
function prepare(env: NodeJS.ProcessEnv): void {
  delete env.CI
  delete env.CONTINUOUS_INTEGRATION
  if (env.NO_COLOR) env.FORCE_COLOR = '0'
}
