/** What `daemon stop` and `daemon reload` do. */
import { isNoDaemon } from '../../src/clients/control.ts'
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import type { ReloadJson } from '../../src/protocol/upkeep.ts'
import { type Cli, type Format, print, printJson, say } from '../cli/cli.ts'
import { refuseSupervised, waitForEnd } from './status.ts'

/** The daemon's status before it ended; null when there was none. Throws WRONG_STATE where systemd would start it again. */
export async function stopDaemon(cli: Cli): Promise<DaemonStatusJson | null> {
  try {
    // Also one that speaks another language: its end is the remedy.
    refuseSupervised(await cli.client().call<DaemonStatusJson>({ path: '/status', anyLevel: true }))
    const status = await cli.client().call<DaemonStatusJson>({ method: 'POST', path: '/stop', anyLevel: true })
    await waitForEnd(status.pid)
    return status
  } catch (thrown) {
    if (isNoDaemon(thrown)) return null
    throw thrown
  }
}

export async function stop(cli: Cli, format: Format): Promise<void> {
  const status = await stopDaemon(cli)
  if (format === 'json' || format === 'ndjson') return printJson(cli, status)
  say(cli, status === null ? 'no daemon is running' : `the daemon (pid ${status.pid}) has stopped`)
}

export async function reload(cli: Cli, format: Format): Promise<void> {
  const answer = await cli.client().call<ReloadJson>({ method: 'POST', path: '/reload' })
  const { file, changed, needsRestart, warnings } = answer
  if (format === 'json' || format === 'ndjson') return printJson(cli, { file, changed, needsRestart, warnings })
  for (const warning of warnings) say(cli, `warning: ${warning}`)
  if (changed.length > 0) print(cli, changed.map(changeText).join('\n'))
  else if (needsRestart.length === 0) print(cli, `${file}: nothing has changed`)
  if (needsRestart.length === 0) return
  say(cli, `not yet in force, since it takes a restart:\n${needsRestart.map(one => `  ${changeText(one)}`).join('\n')}`)
  say(cli, '  tdf daemon restart')
}

const changeText = ({ key, from, to }: ReloadJson['changed'][number]) =>
  `${key}: ${from ?? 'not set'} → ${to ?? 'not set'}`
