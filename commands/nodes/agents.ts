/** `tdf agent`: the accounts that agents use, and which of them is at its limit. */
import { Command } from 'commander'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function agentCommand(cli: Cli): Command {
  const agent = new Command('agent').description('the accounts that agents use').addHelpText('after', examples('agent'))
  agent
    .command('ls')
    .description('each account: free or at its usage limit until when, and the tasks that use it')
    .addHelpText('after', examples('agent ls'))
    .action(async (_options, command: Command) => {
      const { listAgents } = await import('./agents-run.ts')
      await listAgents(cli, command)
    })
  return agent
}
