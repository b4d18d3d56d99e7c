/** `tdf daemon`: run it, look at it, end it, make it a service. */
import { Command } from 'commander'
import type { DaemonStatusJson, ReloadJson } from '../src/protocol/control.ts'
import { type Cli, formatOf, print, printJson, printOne, say } from './cli.ts'
import { adoptCommand } from './daemon-adopt.ts'
import { drainCommand } from './daemon-drain.ts'
import { serviceCommands } from './daemon-service.ts'
import { examples } from './examples.ts'
import { installCommand, uninstallCommand } from './service.ts'

export function daemonCommand(cli: Cli): Command {
  const daemon = new Command('daemon').description('the daemon that runs the tasks')
  daemon
    .command('run')
    .description('run it in the foreground, as systemd does')
    .addHelpText('after', examples('daemon run'))
    .action(async () => {
      const { runDaemon } = await import('./daemon-run.ts')
      await runDaemon(cli)
    })
  daemon
    .command('status')
    .description('whether it runs, where, and what it holds')
    .addHelpText('after', examples('daemon status'))
    .action(async (_options, command: Command) => {
      const status = await cli.client().call<DaemonStatusJson>({ path: '/status' })
      const { daemonDetails } = await import('./daemon-line.ts')
      printOne(cli, formatOf(command), status, { id: String(status.pid), text: daemonDetails })
    })
  daemon
    .command('stop')
    .description('end it in order; tasks go on at the next start')
    .addHelpText('after', examples('daemon stop'))
    .action(async (_options, command: Command) => {
      const { refuseSupervised, waitForEnd } = await import('./daemon-stop.ts')
      // Also one that speaks another language: its end is the remedy.
      refuseSupervised(await cli.client().call<DaemonStatusJson>({ path: '/status', anyLevel: true }))
      const status = await cli.client().call<DaemonStatusJson>({ method: 'POST', path: '/stop', anyLevel: true })
      await waitForEnd(status.pid)
      const format = formatOf(command)
      if (format === 'json' || format === 'ndjson') printJson(cli, status)
      else say(cli, `the daemon (pid ${status.pid}) has stopped`)
    })
  daemon
    .command('reload')
    .description('take over a changed configuration, all of it or nothing')
    .addHelpText('after', examples('daemon reload'))
    .action(async (_options, command: Command) => {
      const { file, changed, warnings } = await cli.client().call<ReloadJson>({ method: 'POST', path: '/reload' })
      if (formatOf(command) === 'json') return printJson(cli, { file, changed, warnings })
      for (const warning of warnings) say(cli, `warning: ${warning}`)
      if (changed.length === 0) return print(cli, `${file}: nothing has changed`)
      print(cli, changed.map(({ key, from, to }) => `${key}: ${from ?? 'not set'} → ${to ?? 'not set'}`).join('\n'))
    })
  daemon.addCommand(drainCommand(cli))
  daemon.addCommand(adoptCommand(cli))
  for (const command of serviceCommands(cli)) daemon.addCommand(command)
  daemon.addCommand(installCommand(cli))
  daemon.addCommand(uninstallCommand(cli))
  return daemon
}
