/** `tdf daemon start|restart|logs`: the service by the names that one looks for here, or a process in the background. */
import { Command, Option } from 'commander'
import { wholeNumber } from '../../cli/arguments.ts'
import { type Cli, formatOf } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'
import type { ScopeOptions } from './service-place.ts'

const VERBS = {
  start: 'start it in the background: the service that daemon install made, else a process of its own',
  restart: 'end it in order and start it anew; tasks go on',
} as const

const LINES = 100

export function serviceCommands(cli: Cli): Command[] {
  return [verb(cli, 'start'), verb(cli, 'restart'), logsCommand(cli)]
}

function verb(cli: Cli, name: keyof typeof VERBS): Command {
  return scoped(new Command(name))
    .description(VERBS[name])
    .addHelpText('after', examples(`daemon ${name}`))
    .action(async (options: ScopeOptions, command: Command) => {
      const { control } = await import('./service-run.ts')
      if (options.system || options.user) return control(cli, name, options)
      const { start } = await import('../start.ts')
      await start(cli, name, formatOf(command))
    })
}

function logsCommand(cli: Cli): Command {
  return scoped(new Command('logs'))
    .description('what it wrote: to the journal of the system as a service, else to a file of its state')
    .option('-f, --follow', 'go on with what it writes')
    .option('--tail <lines>', 'only the last lines, so many', wholeNumber, LINES)
    .addHelpText('after', examples('daemon logs'))
    .action(async (options: ScopeOptions & { follow?: boolean; tail: number }) => {
      const { readLog } = await import('../log.ts')
      await readLog(cli, options)
    })
}

export function installCommand(cli: Cli): Command {
  return scoped(new Command('install'))
    .description('make it a service of systemd that starts at boot, and start it')
    .option('--print', 'write the units to stdout and change nothing')
    .addHelpText('after', examples('daemon install'))
    .action(async (options: ScopeOptions, command: Command) => {
      const { install } = await import('./service-run.ts')
      await install(cli, options, formatOf(command))
    })
}

export function uninstallCommand(cli: Cli): Command {
  return scoped(new Command('uninstall'))
    .description('stop the service and take its units away; tasks and results stay')
    .addHelpText('after', examples('daemon uninstall'))
    .action(async (options: ScopeOptions, command: Command) => {
      const { uninstall } = await import('./service-run.ts')
      await uninstall(cli, options, formatOf(command))
    })
}

/** For the machine's service or one's own. */
export function scoped(command: Command): Command {
  return command
    .addOption(
      new Option('--system', "the machine's own daemon, with users of its own (root's default)").conflicts('user'),
    )
    .addOption(new Option('--user', "only yours, for as long as you are logged in (anybody else's default)"))
}
