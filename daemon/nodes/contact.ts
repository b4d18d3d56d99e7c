/** The first words at every (re)connection: who we are, where to call, and who answers. */
import { TdfError } from '../../src/core/errors.ts'
import { hashToken, nodeToken } from '../../src/platform/tokens.ts'
import { AGENT_PROTOCOL } from '../../src/protocol/agent-api.ts'
import { EVENTS_PAGE_MAX } from '../../src/protocol/shapes.ts'
import { issueToken } from '../../src/store/tables/meta.ts'
import { type NodeState, type ReadNode, writeHeartbeat } from '../../src/store/tables/nodes.ts'
import { loseWorkspaces } from '../engine/save-node.ts'
import { ingestEvent } from '../engine/signals.ts'
import type { NodeContext } from './handler.ts'
import { unreachable } from './reach/agents.ts'

const NEWER_AGAIN_MS = 60_000

/** Throws while the agent does not answer, or answers as another node. */
export async function handshake({ engine, signal }: NodeContext, node: ReadNode): Promise<Partial<NodeState>> {
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
  agents.handshakeDone(node.name)
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

/**
 * Reads the agent's outbox from our cursor: whatever a push lost is made up for here, and an agent that pushes nothing
 * still counts as alive. The cursor moves in the transaction that stores what was read.
 */

const PAGES_MAX = 20

/** Answers the new cursor. Throws NODE_UNREACHABLE or NODE_REPLACED. */
export async function pull({ engine, signal, heartbeat }: NodeContext, node: ReadNode): Promise<number> {
  const { agents, store, world } = engine
  const agent = await agents.of(node, signal)
  let cursor = node.cursor
  for (let page = 0; page < PAGES_MAX; page++) {
    const { stateId, events } = await agent.events(cursor, 0)
    if (node.stateId !== null && stateId !== node.stateId) {
      throw new TdfError('NODE_REPLACED', `${node.name} came back with another state (${stateId})`)
    }
    cursor = events.at(-1)?.seq ?? cursor
    await store.commit(() => {
      const at = world.clock.now()
      const { cpuPercent = null, memoryPercent = null, diskPercent = null } = heartbeat ?? {}
      writeHeartbeat(store.sql, node.name, { at, cpuPercent, memoryPercent, diskPercent })
      for (const event of events) ingestEvent(engine, event)
    })
    if (events.length < EVENTS_PAGE_MAX) return cursor
  }
  return cursor
}
