/** `tdf doctor`: checks everything that tdf needs, and names what mends each finding. */
import { Command } from 'commander'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { DoctorOptions } from './doctor/examine.ts'

export function doctorCommand(cli: Cli): Command {
  return new Command('doctor')
    .description('check everything that tdf needs here; exit 1 when something fails')
    .option('--bundle [FILE]', 'write what a bug report needs into an archive, without secrets or texts of yours')
    .addHelpText('after', examples('doctor'))
    .action(async (options: DoctorOptions, command: Command) => {
      const { doctor } = await import('./doctor/examine.ts')
      await doctor(cli, options, command)
    })
}
