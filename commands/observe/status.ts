/** `tdf status`: how everything stands, in a line; a word or two for a prompt or a status line. */
import { Command } from 'commander'
import { TASK } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function statusCommand(cli: Cli): Command {
  return new Command('status')
    .description('how everything stands; with a task, the same as show')
    .argument('[task]', TASK)
    .option(
      '--short',
      'signs for a prompt or a status line: what runs, needs you, failed today; empty when there is none',
    )
    .addHelpText('after', examples('status'))
    .action(async (reference: string | undefined, { short = false }: { short?: boolean }, command: Command) => {
      if (reference !== undefined) {
        const { show } = await import('../tasks/list-run.ts')
        return show(cli, reference, command)
      }
      const { status } = await import('./status-run.ts')
      await status(cli, short, command)
    })
}
