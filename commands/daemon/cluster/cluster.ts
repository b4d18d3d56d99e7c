/** `tdf cluster`: the daemons that share their state in a PostgreSQL, and handing over from one to another. */
import { Command } from 'commander'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'

export function clusterCommand(cli: Cli): Command {
  const cluster = new Command('cluster')
    .description('the daemons that share their state')
    .addHelpText('after', examples('cluster'))
  cluster
    .command('ls')
    .description('each daemon, which of them serves, and when it was last seen')
    .addHelpText('after', examples('cluster ls'))
    .action(async (_options, command: Command) => {
      const { listMembers } = await import('./cluster-run.ts')
      await listMembers(cli, command)
    })
  cluster
    .command('handover')
    .description(
      'end the daemon that serves in order, so that another takes over; its service starts it again to stand by',
    )
    .argument('[name]', 'the daemon that takes over; without it any that stands by')
    .addHelpText('after', examples('cluster handover'))
    .action(async (name: string | undefined, _options, command: Command) => {
      const { handOver } = await import('./cluster-run.ts')
      await handOver(cli, command, name)
    })
  return cluster
}
