/**
 * Reads the agent's outbox from our cursor: whatever a push lost is made up for here, and an agent that pushes nothing
 * still counts as alive. The cursor moves in the transaction that stores what was read.
 */

import { TdfError } from '../../src/errors.ts'
import { EVENTS_PAGE_MAX } from '../../src/protocol/limits.ts'
import { type ReadNode, writeHeartbeat } from '../../src/store/nodes.ts'
import { absorb } from '../signals.ts'
import type { NodeContext } from './handler.ts'

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
      for (const event of events) absorb(engine, event)
    })
    if (events.length < EVENTS_PAGE_MAX) return cursor
  }
  return cursor
}
