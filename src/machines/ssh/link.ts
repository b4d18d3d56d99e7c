/**
 * The ssh connection to the agent of one node. It is dialled when it is asked for and not there; the machine is prepared
 * on the way. Its callback url tells it from the last one. A dial too soon after a failure answers that failure again.
 */
import { type AgentLine, httpTransport, type Transport } from '../../clients/transport.ts'
import { backoffMs } from '../../core/backoff.ts'
import { asTdfError, TdfError } from '../../core/errors.ts'
import { makeFolder } from '../../platform/files.ts'
import type { World } from '../../platform/world.ts'
import { type Preparation, prepareNode } from '../setup/prepare.ts'
import { endLeftover, type Master, type MasterSockets, openMaster } from './master.ts'
import { isBornKey, rotateHostKey } from './rotate.ts'
import { sshRun } from './run.ts'
import type { SshTarget } from './target.ts'

export interface LinkOptions {
  world: World
  /** Signs in to prepare the machine; where it has no user for the tunnel, for that too. */
  admin: SshTarget
  tunnel: SshTarget
  sockets: MasterSockets
  preparation: Omit<Preparation, 'tell'>
  callback(): { host: string; port: number }
  /** Makes keys and pins durable wherever the state is; left out: they are. */
  saveFiles?(): Promise<void>
  /** The connection is over without a call of `close`. */
  onDown(): void
}

export interface SshLink {
  /** Throws NODE_UNREACHABLE, NODE_KEY_MISMATCH, NODE_SETUP_FAILED or SSH_UNUSABLE. */
  line(): Promise<AgentLine>
  /** What is done on the machine before its agent can be reached; null while nobody dials. */
  doing(): string | null
  close(): void
}

const BACKOFF = { baseMs: 500, maxMs: 15_000 }

interface Failure {
  error: TdfError
  /** How many came one after the other. */
  count: number
  /** On the clock that never jumps, in ms. */
  notBefore: number
}

export function sshLink(options: LinkOptions): SshLink {
  const { world, admin, tunnel, sockets, preparation } = options
  const { nodeName, token } = preparation
  const transport: Transport = httpTransport({ socket: sockets.agent })
  let current: { master: Master; line: AgentLine } | undefined
  let dialling: Promise<AgentLine> | undefined
  let doing: string | null = null
  let failure: Failure | undefined
  for (const { folder } of [admin, tunnel]) makeFolder(folder)
  endLeftover(tunnel)

  function tell(what: string): void {
    doing = what
  }

  async function dial(): Promise<AgentLine> {
    if (isBornKey(admin)) await rotateHostKey(nodeName, admin, options.saveFiles ?? (async () => {}))
    const agentPort = await prepareNode((command, limits) => sshRun(nodeName, admin, { command, ...limits }), {
      ...preparation,
      tell,
    })
    doing = 'connecting to its agent'
    const callback = options.callback()
    const master = await openMaster({ world, nodeName, target: tunnel, sockets, agentPort, callback })
    const line: AgentLine = { transport, token, callbackUrl: `http://127.0.0.1:${master.callbackPort}` }
    current = { master, line }
    master.ended.then(() => {
      if (current?.master !== master) return
      current = undefined
      options.onDown()
    })
    return line
  }

  return {
    async line() {
      if (current?.master.isAlive()) return current.line
      const waitMs = failure ? failure.notBefore - world.clock.mono() : 0
      if (failure && waitMs > 0) {
        throw new TdfError(failure.error.code, failure.error.message, { cause: failure.error, retryAfterMs: waitMs })
      }
      dialling ??= dial()
        .then(
          line => {
            failure = undefined
            return line
          },
          thrown => {
            failure = failureAfter(failure, thrown, world.clock.mono())
            throw failure.error
          },
        )
        .finally(() => {
          dialling = undefined
          doing = null
        })
      return dialling
    },
    doing: () => doing,
    close() {
      const { master } = current ?? {}
      current = undefined
      master?.close()
    },
  }
}

function failureAfter(before: Failure | undefined, thrown: unknown, now: number): Failure {
  const error = asTdfError(thrown)
  const count = (before?.count ?? 0) + 1
  return { error, count, notBefore: now + Math.max(backoffMs(count, BACKOFF), error.retryAfterMs ?? 0) }
}
