/** `tdf daemon adopt`: says that a state folder from another machine lives here from now on. */
import { Command } from 'commander'
import { type Cli, formatOf, printJson, say } from './cli.ts'
import { examples } from './examples.ts'

const QUESTION =
  'this state was made on another machine, and two daemons with one identity remove each other’s machines. ' +
  'Is the other one stopped for good?'

export function adoptCommand(cli: Cli): Command {
  return new Command('adopt')
    .description('let a state folder that was moved here from another machine live on')
    .addHelpText('after', examples('daemon adopt'))
    .action(async (_options, command: Command) => {
      const { confirmed } = await import('./confirm.ts')
      if (!(await confirmed(cli, command, QUESTION))) return
      const { adoptInstall } = await import('../src/install.ts')
      const { whileDown } = await import('./db-files.ts')
      const { stateDir } = cli.paths()
      const id = whileDown(stateDir, () => adoptInstall(stateDir))
      if (formatOf(command) === 'json') return printJson(cli, { installId: id })
      say(cli, `${stateDir} belongs to this machine now (installation ${id}); start the daemon`)
    })
}
