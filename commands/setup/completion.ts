/** `tdf completion SHELL`: a script to keep in a file; and `tdf complete`, which the script asks at each TAB. */
import { Argument, Command } from 'commander'
import { type Cli, formatOf, print, printOne } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

export function completionCommand(cli: Cli): Command {
  return new Command('completion')
    .description('the completion script of a shell, with live task ids')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText('after', examples('completion'))
    .action(async (shell: Shell, _options, command: Command) => {
      const { SCRIPTS } = await import('./completion-run.ts')
      const script = SCRIPTS[shell]
      printOne(cli, formatOf(command), { shell, script }, { id: script, text: () => script })
    })
}

/** Not for people: `tdf complete -- WORD…`, the last word is the one under the cursor, maybe empty. */
export function completeCommand(cli: Cli): Command {
  return new Command('complete')
    .description('candidates for the last word after --, one a line')
    .argument('[word...]', 'the words of the command line')
    .addHelpText('after', examples('complete'))
    .action(async (words: string[], _options, command: Command) => {
      const { candidates } = await import('./completion-run.ts')
      const found = await candidates(cli, command.parent ?? command, words)
      if (found.length > 0) print(cli, found.join('\n'))
    })
}
