/** Looking at tasks: `ls`, `show`, `why`. */
import { Command, Option } from 'commander'
import { ATTEMPT, collectLabel, groupName, statusOption, TASK, wholeNumber } from '../cli/arguments.ts'
import type { Cli } from '../cli/cli.ts'
import { exampleText, LS, LS_COLUMNS, SHOW, WHY } from '../cli/examples.ts'
import type { ListOptions } from './list-run.ts'

export function lsCommand(cli: Cli): Command {
  return new Command('ls')
    .aliases(['list', 'ps'])
    .description('live and recent tasks')
    .option('--all', 'every task, however old')
    .addOption(statusOption('only these'))
    .addOption(
      new Option('--label <key=value>', 'only with these; may be given several times')
        .default({})
        .argParser(collectLabel),
    )
    .option('--group <name>', 'only of this group', groupName)
    .option('--schedule <name>', 'only what this schedule made', groupName)
    .option('--since <duration>', 'submitted within this time, such as 24h')
    .option('--limit <number>', 'at most so many, the newest', wholeNumber)
    .option(
      '--sort <column>',
      'by one of the columns below; -COLUMN turns the order round (default: what needs you, runs, failed lately, waits, is done)',
    )
    .option('-w, --watch', 'show it again whenever something changes')
    .addHelpText('after', exampleText(LS, LS_COLUMNS))
    .action(async (options: ListOptions, command: Command) => {
      const { list } = await import('./list-run.ts')
      await list(cli, options, command)
    })
}

export function showCommand(cli: Cli): Command {
  return new Command('show')
    .description('everything about one task, with its steps and their times')
    .argument('<task>', ATTEMPT)
    .addHelpText('after', exampleText(SHOW))
    .action(async (reference: string, _options, command: Command) => {
      const { show } = await import('./list-run.ts')
      await show(cli, reference, command)
    })
}

export function whyCommand(cli: Cli): Command {
  return new Command('why')
    .description('what a task waits for, until when, and what would change it')
    .argument('[task]', TASK)
    .option('--group <name>', 'those of this group that are not over', groupName)
    .addHelpText('after', exampleText(WHY))
    .action(async (reference: string | undefined, { group }: { group?: string }, command: Command) => {
      const { why, whyGroup } = await import('./list-run.ts')
      await (group === undefined ? why(cli, reference, command) : whyGroup(cli, reference, group, command))
    })
}
