/**
 * `tdf man`: the manual, written from the command tree and the schema of the configuration. The build keeps it as
 * files.
 */
import { Argument, Command } from 'commander'
import { type Cli, print } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { Page } from './manual.ts'

const PAGES = ['tdf.1', 'tdf-config.5'] as const

export function manCommand(cli: Cli): Command {
  return new Command('man')
    .description('a page of the manual, as roff')
    .addArgument(new Argument('[page]', 'which one').choices(PAGES).default('tdf.1'))
    .option('--to <folder>', 'write all pages into this folder instead')
    .addHelpText('after', examples('man'))
    .action(async (page: Page, { to }: { to?: string }, command: Command) => {
      const { manualPage, writeManual } = await import('./manual.ts')
      const program = command.parent ?? command
      if (to === undefined) print(cli, manualPage(page, program))
      else await writeManual(to, PAGES, program)
    })
}
