/** `tdf daemon start|restart|logs`: the service by the names that one looks for here; systemd does the work. */
import { Command } from 'commander'
import type { Cli } from './cli.ts'
import { examples } from './examples.ts'
import { scoped } from './service.ts'
import type { ScopeOptions } from './service-place.ts'
import { wholeNumber } from './words.ts'

const VERBS = {
  start: 'start the service that daemon install made',
  restart: 'end the service in order and start it anew; tasks go on',
} as const

const LINES = 100

export function serviceCommands(cli: Cli): Command[] {
  return [verb(cli, 'start'), verb(cli, 'restart'), logsCommand(cli)]
}

function verb(cli: Cli, name: keyof typeof VERBS): Command {
  return scoped(new Command(name))
    .description(VERBS[name])
    .addHelpText('after', examples(`daemon ${name}`))
    .action(async (options: ScopeOptions) => {
      const { control } = await import('./service-control.ts')
      await control(cli, name, options)
    })
}

function logsCommand(cli: Cli): Command {
  return scoped(new Command('logs'))
    .description('what the service wrote to the journal of the system')
    .option('-f, --follow', 'go on with what it writes')
    .option('--tail <lines>', 'only the last lines, so many', wholeNumber, LINES)
    .addHelpText('after', examples('daemon logs'))
    .action(async (options: ScopeOptions & { follow?: boolean; tail: number }) => {
      const { readJournal } = await import('./service-control.ts')
      await readJournal(cli, options)
    })
}
