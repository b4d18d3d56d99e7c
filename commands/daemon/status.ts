/**
 * The state of the daemon as text: one line below the help, a line for each fact in `daemon status`; and waiting for
 * its end.
 */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { identify, isAlive } from '../../src/platform/process.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import type { Cli } from '../cli/cli.ts'
import { pairs } from '../cli/table.ts'
import { since } from '../tasks/task-text.ts'

/** Only a look: a daemon that does not answer soon is left alone. */
const LINE_MS = 500

/** Never throws: that there is none is an answer. */
export async function daemonLine(cli: Cli): Promise<string> {
  try {
    const status = await cli.client().call<DaemonStatusJson>({ path: '/status', timeoutMs: LINE_MS })
    const running = since(status.startedAt, realWorld().clock.now())
    if (status.role === 'standby') return `Daemon: standing by for ${running}; tdf cluster ls says who serves`
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
    ['role', roleOf(status)],
    ['home', status.home],
    ['socket', status.socket],
    ['store', status.store.host],
    ...(status.role === 'standby' ? [['waits', status.obstacle] satisfies [string, string | null]] : work(status)),
  ])
}

function work(status: DaemonStatusJson): [string, string | null][] {
  return [
    ['callbacks', status.callbacksUrl],
    ['begins none', status.obstacle],
    ['tasks', counts(status.tasks)],
    ['nodes', counts(status.nodes)],
  ]
}

/** Null for a daemon that is alone. */
function roleOf({ role, member, epoch }: DaemonStatusJson): string | null {
  if (member === null) return null
  return role === 'serving'
    ? `serves as ${member}, epoch ${epoch}`
    : `stands by as ${member}; tdf cluster ls says who serves`
}

function counts(table: Record<string, number>): string {
  const named = Object.entries(table).map(([name, count]) => `${count} ${name}`)
  return named.join(', ') || 'none'
}

const WAIT_MS_MAX = 15_000
const LOOK_MS = 50

/** Until the process of the daemon has ended. Throws when it takes too long. */
export async function waitForEnd(pid: number): Promise<void> {
  const identity = identify(pid)
  if (!identity) return
  const { clock } = realWorld()
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += LOOK_MS) {
    if (!isAlive(identity)) return
    await sleep(clock, LOOK_MS)
  }
  throw new TdfError('DAEMON_STOPPING', `the daemon (pid ${pid}) is still stopping after ${WAIT_MS_MAX / 1000} s`)
}

/** Throws WRONG_STATE when systemd would start it again. */
export function refuseSupervised({ supervisor, pid, socket }: DaemonStatusJson): void {
  if (supervisor === null) return
  const hint = socket.startsWith('/run/tdf/') ? 'sudo systemctl stop tdfd' : 'systemctl --user stop tdfd'
  throw new TdfError('WRONG_STATE', `systemd runs the daemon (pid ${pid}) and would start it again`, { hint })
}
