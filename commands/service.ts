/** `tdf daemon install|uninstall`: the daemon as a service of systemd, for the machine or for one user. */
import { Command, Option } from 'commander'
import type { Cli } from './cli.ts'
import { examples } from './examples.ts'
import type { ScopeOptions } from './service-place.ts'

export function installCommand(cli: Cli): Command {
  return scoped(new Command('install'))
    .description('make it a service of systemd that starts at boot, and start it')
    .option('--print', 'write the units to stdout and change nothing')
    .addHelpText('after', examples('daemon install'))
    .action(async (options: ScopeOptions) => {
      const { install } = await import('./service-install.ts')
      await install(cli, options)
    })
}

export function uninstallCommand(cli: Cli): Command {
  return scoped(new Command('uninstall'))
    .description('stop the service and take its units away; tasks and results stay')
    .addHelpText('after', examples('daemon uninstall'))
    .action(async (options: ScopeOptions) => {
      const { uninstall } = await import('./service-uninstall.ts')
      await uninstall(cli, options)
    })
}

/** For the machine's service or one's own. */
export function scoped(command: Command): Command {
  return command
    .addOption(
      new Option('--system', "the machine's own daemon, with users of its own (root's default)").conflicts('user'),
    )
    .addOption(new Option('--user', "only yours, for as long as you are logged in (anybody else's default)"))
}
