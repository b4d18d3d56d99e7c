/** `tdf reap`: ends paid machines that a dead daemon left. From any machine that has the token. */
import { Command } from 'commander'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { ReapFlags } from './reap-run.ts'

export function reapCommand(cli: Cli): Command {
  return new Command('reap')
    .description('remove paid machines that no daemon uses any more; works without a daemon')
    .option('--install <id>', 'of this installation, as `tdf daemon status` shows it; default: the one of this machine')
    .option('-n, --dry-run', 'show them only')
    .addHelpText('after', examples('reap'))
    .action(async (options: ReapFlags, command: Command) => {
      const { reapMachines } = await import('./reap-run.ts')
      await reapMachines(cli, options, command)
    })
}
