/** `tdf quickstart`: the whole journey in a folder of its own, to see it before one trusts it. */
import { Command } from 'commander'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'

export function quickstartCommand(cli: Cli): Command {
  return new Command('quickstart')
    .description('see a real task run from start to end, in a temporary folder')
    .option('--keep', 'leave the folder and its daemon for a look around')
    .addHelpText('after', examples('quickstart'))
    .action(async (options: { keep?: boolean }) => {
      const { quickstart } = await import('./quickstart-run.ts')
      await quickstart(cli, options.keep === true)
    })
}
