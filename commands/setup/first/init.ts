/** `tdf init`: what is found here becomes the two files that the first task needs. */
import { Command } from 'commander'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'
import type { InitOptions } from './init-run.ts'

export function initCommand(cli: Cli): Command {
  return new Command('init')
    .description(
      'find the agents of this machine and how this repository is tested, and write config.toml and .tdf.toml; asks before, and ' +
        'leaves files that are there as they are',
    )
    .option('-n, --dry-run', 'show what would be written')
    .addHelpText('after', examples('init'))
    .action(async (options: InitOptions, command: Command) => {
      const { init } = await import('./init-run.ts')
      await init(cli, options, command)
    })
}
