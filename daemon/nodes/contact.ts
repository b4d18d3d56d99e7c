/** The handshake with a node's agent at every (re)connection: who we are, where to call, and who answers. */
import { TdfError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { hashToken, nodeToken } from '../../src/platform/tokens.ts'
import { AGENT_PROTOCOL } from '../../src/protocol/agent-api.ts'
import { issueToken } from '../../src/store/tables/meta.ts'
import { writeHeartbeat } from '../../src/store/tables/nodes.ts'
import { nodeSubject } from '../engine/loop.ts'
import { loseWorkspaces } from '../engine/save-node.ts'
import type { Engine } from '../services.ts'
import { unreachable } from './reach/agents.ts'
import type { Handshake } from './rules/outcome.ts'

const NEWER_AGAIN_MS = 60_000

/** Throws while the agent does not answer, or answers as another node. */
export async function handshake(engine: Engine, node: Node, signal: AbortSignal): Promise<Handshake> {
  const { agents, install, store, world, config } = engine
  agents.forget(node.name)
  const client = await agents.unverified(node, signal)
  const token = nodeToken(install, node.name)
  await store.commit(() => {
    issueToken(store.sql, hashToken(token), { scope: 'node', subject: node.name, taskId: null, attempt: null })
  })
  const callback = { url: agents.callbackUrl(node.name) ?? engine.callbackUrl(), token }
  const { heartbeatInterval: heartbeatMs } = config.nodes
  const { logMaxBytes, salvageMaxBytes } = config.results
  const limits = { logMaxBytes, salvageMaxBytes, diskLowBytes: config.disk.low }
  await client.register({ nodeName: node.name, installId: install.id, heartbeatMs, callback, limits }).catch(error => {
    // The connection is open and no agent answers: the next one is dialled anew, and starts the agent on the way.
    engine.providers[node.provider]?.hangUp?.(node)
    throw error
  })
  const health = await client.health()
  if (health.nodeName !== node.name) throw unreachable(node, `its address answers as node ${health.nodeName}`)
  if (health.protocol > AGENT_PROTOCOL) {
    const message = `node ${node.name}: its agent ${health.version} speaks protocol ${health.protocol}, and this daemon ${AGENT_PROTOCOL}`
    throw new TdfError('AGENT_NEWER', message, { retryAfterMs: NEWER_AGAIN_MS })
  }
  agents.handshakeDone(node.name)
  signal.throwIfAborted()
  const { cpuPercent, memoryPercent, diskPercent, stateId, version } = health
  await store.commit(() => {
    writeHeartbeat(store.sql, node.name, { at: world.clock.now(), cpuPercent, memoryPercent, diskPercent })
    if (node.stateId !== null && node.stateId !== stateId) loseWorkspaces(engine, node.name)
  })
  return { stateId, cursor: node.stateId === stateId ? node.cursor : 0, facts: { agentVersion: version } }
}

/** The connection to a node is over: it is dialled and its agent given the handshake now, not when the silence is noticed. */
export function connectionLost({ agents, loop, world }: Pick<Engine, 'agents' | 'loop' | 'world'>, name: string): void {
  agents.disconnected(name)
  loop.schedule(nodeSubject(name), world.clock.now())
}
