/**
 * `tdf secret`: values that agents and pushes are given by name. They come by stdin or a hidden prompt, never as an
 * argument.
 */
import { Command } from 'commander'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

const NAME = 'the name of the variable that an agent finds it as'

export function secretCommand(cli: Cli): Command {
  const secret = new Command('secret')
    .description('keep keys and tokens for agents, by name')
    .addHelpText('after', examples('secret'))
  secret
    .command('set')
    .description('store a value, which is read from stdin or asked for without showing it')
    .argument('<name>', NAME)
    .addHelpText('after', examples('secret set'))
    .action(async (name: string, _options, command: Command) => {
      const { setSecret } = await import('./secret-run.ts')
      await setSecret(cli, command, name)
    })
  secret
    .command('ls')
    .description('names, when each was set, and who is given it; values are never shown')
    .addHelpText('after', examples('secret ls'))
    .action(async (_options, command: Command) => {
      const { listSecrets } = await import('./secret-run.ts')
      await listSecrets(cli, command)
    })
  secret
    .command('rm')
    .description('forget a value; sessions that run keep what they were given')
    .argument('<name>', NAME)
    .addHelpText('after', examples('secret rm'))
    .action(async (name: string, _options, command: Command) => {
      const { removeSecret } = await import('./secret-run.ts')
      await removeSecret(cli, command, name)
    })
  return secret
}
