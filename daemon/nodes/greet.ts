/** The first words at every (re)connection: who we are, where to call, and who answers. */
import { TdfError } from '../../src/errors.ts'
import { AGENT_PROTOCOL } from '../../src/protocol/agent-api.ts'
import type { NodeState, ReadNode } from '../../src/store/nodes.ts'
import { writeHeartbeat } from '../../src/store/nodes.ts'
import { issueToken } from '../../src/store/tokens.ts'
import { hashToken } from '../../src/tokens.ts'
import { unreachable } from '../agents.ts'
import { nodeToken } from '../grants.ts'
import type { NodeContext } from './handler.ts'
import { loseWorkspaces } from './lose-workspaces.ts'

const NEWER_AGAIN_MS = 60_000

/** Throws while the agent does not answer, or answers as another node. */
export async function greet({ engine, signal }: NodeContext, node: ReadNode): Promise<Partial<NodeState>> {
  const { agents, install, store, world, config } = engine
  agents.forget(node.name)
  const client = await agents.stranger(node, signal)
  const token = nodeToken(install, node.name)
  await store.commit(() => {
    issueToken(store.sql, hashToken(token), { scope: 'node', subject: node.name, taskId: null, attempt: null })
  })
  const callback = { url: agents.callbackUrl(node.name) ?? engine.callbackUrl(), token }
  const { heartbeatInterval: heartbeatMs } = config.nodes
  const { logMaxBytes, salvageMaxBytes } = config.results
  const limits = { logMaxBytes, salvageMaxBytes }
  await client.register({ nodeName: node.name, installId: install.id, heartbeatMs, callback, limits }).catch(error => {
    // The way is open and nobody is at its end: the next one is dialled anew, and looks after the agent as it goes.
    engine.providers[node.provider]?.hangUp?.(node)
    throw error
  })
  const health = await client.health()
  if (health.nodeName !== node.name) throw unreachable(node, `its address answers as node ${health.nodeName}`)
  if (health.protocol > AGENT_PROTOCOL) {
    const message = `node ${node.name}: its agent ${health.version} speaks protocol ${health.protocol}, and this daemon ${AGENT_PROTOCOL}`
    throw new TdfError('AGENT_NEWER', message, { retryAfterMs: NEWER_AGAIN_MS })
  }
  agents.greeted(node.name)
  signal.throwIfAborted()
  const { cpuPercent, memoryPercent, diskPercent, stateId, version } = health
  await store.commit(() => {
    writeHeartbeat(store.sql, node.name, { at: world.clock.now(), cpuPercent, memoryPercent, diskPercent })
    if (node.stateId !== null && node.stateId !== stateId) loseWorkspaces(engine, node.name)
  })
  return {
    stateId,
    cursor: node.stateId === stateId ? node.cursor : 0,
    facts: { ...node.facts, agentVersion: version },
  }
}
