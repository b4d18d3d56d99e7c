/** `tdf watch` without a task: the dashboard on a terminal, else events as they happen, one object a line. */
import type { Command } from 'commander'
import { type Cli, type Format, meetDaemon } from '../cli/cli.ts'
import { hasColour } from '../cli/colour.ts'
import { followEvents } from './observe-run.ts'

export interface WatchAllOptions {
  format: Format
  isReadOnly: boolean
  command: Command
}

export async function watchAll(cli: Cli, { format, isReadOnly, command }: WatchAllOptions): Promise<void> {
  const { stdin, stdout, env } = cli
  const isScreen = stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb' && (format === 'table' || format === 'wide')
  if (!isScreen) return followEvents(cli, 'now')
  // The dashboard itself waits for a daemon that is away.
  await meetDaemon(cli)
  const isColoured = hasColour(cli, true)
  prepare(cli, isColoured)
  const { tuiSettings } = await import('./tui-settings.ts')
  const [settings, { openDashboard }, { verbsOf }] = await Promise.all([
    tuiSettings(cli),
    import('../../src/tui/open.ts'),
    import('./dashboard-verbs.ts'),
  ])
  cli.exitCode = await openDashboard({
    ...settings,
    client: cli.client(),
    stdin,
    stdout,
    isReadOnly: isReadOnly || settings.isReadOnly,
    hasColour: isColoured,
    colorFgBg: env.COLORFGBG,
    attention: { ...settings.attention, isTmux: Boolean(env.TMUX) },
    verbs: verbsOf(cli, command),
    async pager(pieces) {
      const { showInPager } = await import('../cli/pager.ts')
      await showInPager(cli, pieces)
    },
  })
}

/**
 * Before Ink is loaded: it draws nothing where CI is set, and of all that speaks of colours it knows FORCE_COLOR. Without
 * colours it still draws what is bold or inverse.
 */
function prepare(cli: Cli, isColoured: boolean): void {
  const { env } = cli
  delete env.CI
  delete env.CONTINUOUS_INTEGRATION
  if (!isColoured) env.FORCE_COLOR = '1'
  else if (cli.colour === 'always' || env.TDF_COLOR === 'always') env.FORCE_COLOR ||= '1'
}
