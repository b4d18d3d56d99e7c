/** The daemon in words: one line below the help, a fact a line for `daemon status`. */
import { asTdfError } from '../src/errors.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { realWorld } from '../src/world.ts'
import type { Cli } from './cli.ts'
import { pairs } from './output.ts'
import { since } from './task-text.ts'

/** For whoever only wants to look: a daemon that does not answer soon is left alone. */
const LINE_MS = 500

/** Never throws: that there is none is an answer. */
export async function daemonLine(cli: Cli): Promise<string> {
  try {
    const status = await cli.client().call<DaemonStatusJson>({ path: '/status', timeoutMs: LINE_MS })
    const running = since(status.startedAt, realWorld().clock.now())
    return `Daemon: running for ${running}; tasks: ${counts(status.tasks)}; nodes: ${counts(status.nodes)}`
  } catch (thrown) {
    const { message, hint } = asTdfError(thrown)
    return `Daemon: ${oneLine(message)}\n        ${hint}`
  }
}

export function daemonDetails(status: DaemonStatusJson): string {
  const running = since(status.startedAt, realWorld().clock.now())
  return pairs([
    ['running', `pid ${status.pid}, version ${status.version}, for ${running}`],
    ['home', status.home],
    ['socket', status.socket],
    ['callbacks', status.callbacksUrl],
    ['begins none', status.obstacle],
    ['tasks', counts(status.tasks)],
    ['nodes', counts(status.nodes)],
  ])
}

function counts(table: Record<string, number>): string {
  return (
    Object.entries(table)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || 'none'
  )
}
