/** `tdf artifacts`: what a run left to look at, beside its branch. */
import { Command } from 'commander'
import { ATTEMPT } from '../cli/arguments.ts'
import { type Cli, shapeOf } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function artifactsCommand(cli: Cli): Command {
  const command = new Command('artifacts')
    .description('files that a run left to look at, beside its branch')
    .argument('<task>', ATTEMPT)
    .option('-l, --long', 'also their SHA-256')
    .addHelpText('after', examples('artifacts'))
    .action(async (reference: string, options: { long?: boolean }, self: Command) => {
      const { listArtifacts } = await import('./artifacts-run.ts')
      const shape = shapeOf(cli, self)
      await listArtifacts(
        cli,
        reference,
        options.long && shape.format === 'table' ? { ...shape, format: 'wide' } : shape,
      )
    })
  command
    .command('get')
    .description('fetch them into a folder; a file that is there and differs is left alone')
    .argument('<task>', ATTEMPT)
    .argument('[glob]', 'only these, such as "test-results/**"')
    .option('--to <folder>', 'where to (default: a folder ID-artifacts here)')
    .addHelpText('after', examples('artifacts get'))
    .action(async (reference: string, glob: string | undefined, options: { to?: string }, self: Command) => {
      const { getArtifacts } = await import('./artifacts-run.ts')
      await getArtifacts(cli, reference, { glob, to: options.to, format: shapeOf(cli, self).format })
    })
  return command
}
