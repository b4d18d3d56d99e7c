/** Results and the branch that they are to come onto: `fit`. */
import { Command } from 'commander'
import { TASKS } from '../cli/arguments.ts'
import { type Cli, shapeOf } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function fitCommand(cli: Cli): Command {
  return new Command('fit')
    .description('whether results still fit onto where their branch is by now, and which exclude each other')
    .argument('[task...]', `${TASKS} (default: those of the repository of the current folder)`)
    .option('--onto <branch>', 'another branch than the one that the task began from')
    .addHelpText('after', examples('fit'))
    .action(async (references: string[], options: { onto?: string }, command: Command) => {
      const { showFit } = await import('./fit-run.ts')
      await showFit(cli, references, options.onto, shapeOf(cli, command))
    })
}
