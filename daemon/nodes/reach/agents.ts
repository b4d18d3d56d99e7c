/**
 * The connection to each node's agent. Before a client is handed out, the agent behind it says who it is: another node
 * name or another state folder means that it knows nothing of our runs, whatever it answers.
 */
import { type AgentClient, agentClient } from '../../../src/clients/agent.ts'
import type { AgentLine } from '../../../src/clients/transport.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { Node } from '../../../src/core/node.ts'
import { alert } from '../../reporting/failures.ts'
import type { Agents, Deps } from '../../services.ts'

/** A proof of identity is good for one step, not for a life: an agent can be replaced between two calls. */
const PROOF_MS = 1_000

interface Connection {
  line: AgentLine
  provedAt: number | null
}

export function createAgents(deps: Pick<Deps, 'providers' | 'world' | 'store'>): Agents {
  const { providers, world } = deps
  const connections = new Map<string, Connection>()
  /** The callback url that each agent was given by its last handshake. One that is missing may call the daemon before this one. */
  const registered = new Map<string, string | undefined>()
  const cutOff = new Set<string>()

  async function of(node: Node, signal: AbortSignal, timeoutMs?: number): Promise<AgentClient> {
    const client = await dial(node, node.stateId, signal, timeoutMs)
    const connection = connections.get(node.name)
    if (connection?.provedAt != null && world.clock.mono() - connection.provedAt < PROOF_MS) return client
    await prove(node, client)
    if (connection) connection.provedAt = world.clock.mono()
    return client
  }

  async function dial(node: Node, stateId: string | null, signal: AbortSignal, timeoutMs?: number) {
    const line = connections.get(node.name)?.line ?? (await connect(node))
    if (!connections.has(node.name)) connections.set(node.name, { line, provedAt: null })
    const limits = timeoutMs === undefined ? {} : { timeoutMs }
    return agentClient({ ...line, ...limits, world, nodeName: node.name, stateId, signal })
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
      connections.delete(node.name)
      throw unreachable(node, `its address answers as node ${health.nodeName}`)
    }
    if (node.stateId !== null && health.stateId !== node.stateId) {
      connections.delete(node.name)
      throw new TdfError('NODE_REPLACED', `${node.name} came back with another state (${health.stateId})`)
    }
  }

  const callbackUrl = (name: string) => connections.get(name)?.line.callbackUrl

  return {
    of,
    unverified: (node, signal) => dial(node, null, signal),
    callbackUrl,
    forget: name => void connections.delete(name),
    disconnected(name) {
      connections.delete(name)
      cutOff.add(name)
    },
    handshakeDone(name) {
      registered.set(name, callbackUrl(name))
      cutOff.delete(name)
    },
    needsHandshake(name) {
      if (cutOff.has(name)) return true
      const connection = connections.get(name)
      if (!connection) return false
      const { callbackUrl: url } = connection.line
      return !registered.has(name) || (url !== undefined && registered.get(name) !== url)
    },
  }
}

export function unreachable(node: Node, why: string): TdfError {
  return new TdfError('NODE_UNREACHABLE', `node ${node.name}: ${why}`, { retryAfterMs: 5_000 })
}
