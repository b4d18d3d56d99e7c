/** `tdf watch` without a task: the dashboard on a terminal, else events as they happen, one object a line. */
import type { Cli, Format } from '../cli/cli.ts'
import { hasColour } from '../cli/colour.ts'
import { followEvents } from './observe-run.ts'

const LOOK_MS = 1_000

export interface WatchAllOptions {
  format: Format
  isReadOnly: boolean
}

export async function watchAll(cli: Cli, { format, isReadOnly }: WatchAllOptions): Promise<void> {
  const { stdin, stdout, env } = cli
  const isScreen = stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb' && (format === 'table' || format === 'wide')
  if (!isScreen) return followEvents(cli, 'now')
  // The offer to start a daemon comes before the screen is taken; the dashboard itself waits for one that is away.
  await cli
    .client()
    .call({ path: '/status', timeoutMs: LOOK_MS })
    .catch(() => {})
  prepare(cli)
  const { tuiSettings } = await import('./tui-settings.ts')
  const [settings, { openDashboard }] = await Promise.all([tuiSettings(cli), import('../../src/tui/open.ts')])
  cli.exitCode = await openDashboard({
    ...settings,
    client: cli.client(),
    stdin,
    stdout,
    isReadOnly: isReadOnly || settings.isReadOnly,
    async pager(pieces) {
      const { showInPager } = await import('../cli/pager.ts')
      await showInPager(cli, pieces)
    },
  })
}

/** Before Ink is loaded: it draws nothing where CI is set, and of all that speaks of colours it knows FORCE_COLOR. */
function prepare(cli: Cli): void {
  const { env } = cli
  delete env.CI
  delete env.CONTINUOUS_INTEGRATION
  if (!hasColour(cli, true)) env.FORCE_COLOR = '0'
  else if (cli.colour === 'always' || env.TDF_COLOR === 'always') env.FORCE_COLOR ||= '1'
}
