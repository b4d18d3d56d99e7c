/** `tdf source`: trackers whose issues become tasks. They are set up in the configuration; here they are looked at. */
import { Command } from 'commander'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'

const load = () => import('./source-run.ts')
const NAME = 'as [[sources]] calls it'

export function sourceCommand(cli: Cli): Command {
  const source = new Command('source')
    .description('trackers whose issues become tasks when they get a label')
    .addHelpText('after', examples('source'))
  source
    .command('ls')
    .description('each of them, how it is, and how many issues wait')
    .addHelpText('after', examples('source ls'))
    .action(async (_options, command: Command) => (await load()).listSources(cli, command))
  source
    .command('show')
    .description('its issues: what became of each, and why one was not taken')
    .argument('<name>', NAME)
    .addHelpText('after', examples('source show'))
    .action(async (name: string, _options, command: Command) => (await load()).showSource(cli, name, command))
  source
    .command('run')
    .description('look at it now, also when it is paused; who may write is asked again for what was ignored')
    .argument('<name>', NAME)
    .addHelpText('after', examples('source run'))
    .action(async (name: string, _options, command: Command) => (await load()).changeSource(cli, name, 'run', command))
  source
    .command('pause')
    .description('look at it no more, until it is resumed; its tasks go on')
    .argument('<name>', NAME)
    .addHelpText('after', examples('source pause'))
    .action(async (name: string, _options, command: Command) =>
      (await load()).changeSource(cli, name, 'pause', command),
    )
  source
    .command('resume')
    .description('look at it again, at once')
    .argument('<name>', NAME)
    .addHelpText('after', examples('source resume'))
    .action(async (name: string, _options, command: Command) =>
      (await load()).changeSource(cli, name, 'resume', command),
    )
  source
    .command('check')
    .description('ask its tracker, and try its template; nothing is changed')
    .argument('<name>', NAME)
    .addHelpText('after', examples('source check'))
    .action(async (name: string, _options, command: Command) => (await load()).checkSource(cli, name, command))
  return source
}
