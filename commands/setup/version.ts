/** `tdf version`: of this program and of the daemon, and whether they fit. */
import { Command } from 'commander'
import { TdfError } from '../../src/core/errors.ts'
import { VERSION } from '../../src/platform/version.ts'
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import { type Cli, formatOf, printOne, say } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function versionCommand(cli: Cli): Command {
  return new Command('version')
    .description('the version of this program and of the daemon')
    .addHelpText('after', examples('version'))
    .action(async (_options, command: Command) => {
      const daemon = await daemonVersion(cli)
      const node = process.versions.node
      const { socket, origin } = cli.client()
      const versions = `tdf ${VERSION}, daemon ${daemon ?? 'not running'}, node ${node}`
      const text = () => `${versions}\nsocket ${socket} (from ${origin})`
      const format = formatOf(command)
      printOne(cli, format, { version: VERSION, daemon, node, socket, origin }, { id: VERSION, text })
      if (format === 'table' && daemon !== null && daemon !== VERSION)
        say(cli, 'they differ: tdf daemon stop, and start it anew')
    })
}

async function daemonVersion(cli: Cli): Promise<string | null> {
  try {
    return (await cli.client().call<DaemonStatusJson>({ path: '/status', timeoutMs: 2_000, anyLevel: true })).version
  } catch (thrown) {
    if (thrown instanceof TdfError && ['DAEMON_UNREACHABLE', 'FORBIDDEN'].includes(thrown.code)) return null
    throw thrown
  }
}
