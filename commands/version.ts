/** `tdf version`: of this program and of the daemon, and whether they fit. */
import { Command } from 'commander'
import { TdfError } from '../src/errors.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { VERSION } from '../src/version.ts'
import { type Cli, formatOf, print, say } from './cli.ts'
import { examples } from './examples.ts'

export function versionCommand(cli: Cli): Command {
  return new Command('version')
    .description('the version of this program and of the daemon')
    .addHelpText('after', examples('version'))
    .action(async (_options, command: Command) => {
      const daemon = await daemonVersion(cli)
      const format = formatOf(command)
      if (format === 'json' || format === 'ndjson') {
        return print(cli, JSON.stringify({ version: VERSION, daemon, node: process.versions.node }))
      }
      if (format === 'id') return print(cli, VERSION)
      print(cli, `tdf ${VERSION}, daemon ${daemon ?? 'not running'}, node ${process.versions.node}`)
      if (daemon !== null && daemon !== VERSION) say(cli, 'they differ: tdf daemon stop, and start it anew')
    })
}

async function daemonVersion(cli: Cli): Promise<string | null> {
  try {
    return (await cli.client().call<DaemonStatusJson>({ path: '/status', timeoutMs: 2_000 })).version
  } catch (thrown) {
    if (thrown instanceof TdfError && ['DAEMON_UNREACHABLE', 'FORBIDDEN'].includes(thrown.code)) return null
    throw thrown
  }
}
