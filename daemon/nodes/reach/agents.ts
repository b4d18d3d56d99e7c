/**
 * The way to each node's agent. Before a client is handed out, the agent behind it says who it is: another node name
 * or another state folder means that it knows nothing of our runs, whatever it answers.
 */
import { type AgentClient, type AgentLine, agentClient } from '../../../src/clients/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { Node } from '../../../src/core/node.ts'
import { alert } from '../../reporting/failures.ts'
import type { Agents, Deps } from '../../services.ts'

/** A proof of identity is good for one step, not for a life: an agent can be replaced between two calls. */
const PROOF_MS = 1_000

interface Known {
  line: AgentLine
  provedAt: number | null
}

export function createAgents(deps: Pick<Deps, 'providers' | 'world' | 'store'>): Agents {
  const { providers, world } = deps
  const known = new Map<string, Known>()
  const told = new Map<string, string | undefined>()
  const cutOff = new Set<string>()

  async function of(node: Node, signal: AbortSignal, timeoutMs?: number): Promise<AgentClient> {
    const client = await unverified(node, signal, timeoutMs)
    const before = known.get(node.name)
    if (before?.provedAt != null && world.clock.mono() - before.provedAt < PROOF_MS) return client
    await prove(node, client)
    if (before) before.provedAt = world.clock.mono()
    return client
  }

  async function unverified(node: Node, signal: AbortSignal, timeoutMs?: number): Promise<AgentClient> {
    const line = known.get(node.name)?.line ?? (await connect(node))
    if (!known.has(node.name)) known.set(node.name, { line, provedAt: null })
    return agentClient({
      ...line,
      world,
      nodeName: node.name,
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }

  async function connect(node: Node): Promise<AgentLine> {
    const provider = providers[node.provider]
    if (!provider) throw unreachable(node, `provider ${node.provider} is not enabled`)
    return provider.connect(node).catch(async error => {
      if (error instanceof TdfError && error.code === 'NODE_KEY_MISMATCH') {
        await alert(deps, { source: 'node', subject: node.name }, error)
      }
      throw error
    })
  }

  async function prove(node: Node, client: AgentClient): Promise<void> {
    const health = await client.health()
    if (health.nodeName !== node.name) {
      known.delete(node.name)
      throw unreachable(node, `its address answers as node ${health.nodeName}`)
    }
    if (node.stateId !== null && health.stateId !== node.stateId) {
      known.delete(node.name)
      throw new TdfError('NODE_REPLACED', `${node.name} came back with another state (${health.stateId})`)
    }
  }

  const callbackUrl = (name: string) => known.get(name)?.line.callbackUrl

  return {
    of,
    unverified,
    callbackUrl,
    forget: name => void known.delete(name),
    disconnected(name) {
      known.delete(name)
      cutOff.add(name)
    },
    handshakeDone(name) {
      told.set(name, callbackUrl(name))
      cutOff.delete(name)
    },
    needsHandshake(name) {
      const url = callbackUrl(name)
      return cutOff.has(name) || (url !== undefined && told.get(name) !== url)
    },
  }
}

export function unreachable(node: Node, why: string): TdfError {
  return new TdfError('NODE_UNREACHABLE', `node ${node.name}: ${why}`, { retryAfterMs: 5_000 })
}
