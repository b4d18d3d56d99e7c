/** `tdf daemon`: run it, look at it, end it, make it a service. */
import { Command } from 'commander'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { type Cli, formatOf, print, say } from './cli.ts'
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
      print(cli, formatOf(command) === 'json' ? JSON.stringify(status) : describe(status))
    })
  daemon
    .command('stop')
    .description('end it in order; tasks go on at the next start')
    .addHelpText('after', examples('daemon stop'))
    .action(async () => {
      const { refuseSupervised, waitForEnd } = await import('./daemon-stop.ts')
      refuseSupervised(await cli.client().call<DaemonStatusJson>({ path: '/status' }), cli.paths().kind)
      const { pid } = await cli.client().call<DaemonStatusJson>({ method: 'POST', path: '/stop' })
      await waitForEnd(pid)
      say(cli, `the daemon (pid ${pid}) has stopped`)
    })
  daemon.addCommand(installCommand(cli))
  daemon.addCommand(uninstallCommand(cli))
  return daemon
}

function describe(status: DaemonStatusJson): string {
  const counts = (table: Record<string, number>) =>
    Object.entries(table)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || 'none'
  const rows = [
    ['running', `pid ${status.pid}, version ${status.version}, since ${status.startedAt}`],
    ['home', status.home],
    ['socket', status.socket],
    ['callbacks', status.callbacksUrl],
    ['tasks', counts(status.tasks)],
    ['nodes', counts(status.nodes)],
  ]
  return rows.map(([name, value]) => `${name?.padEnd(10)} ${value}`).join('\n')
}
