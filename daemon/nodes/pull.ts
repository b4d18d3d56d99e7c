/**
 * The pull: the outbox of a node's agent from our cursor on, which makes up for lost pushes and counts as a heartbeat.
 * What was read is stored before the cursor moves, and what is read again changes nothing.
 */
import { TdfError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import type { AgentEvent } from '../../src/protocol/agent-api.ts'
import { EVENTS_PAGE_MAX } from '../../src/protocol/shapes.ts'
import { readHeartbeat, writeHeartbeat } from '../../src/store/tables/nodes.ts'
import { type Ingested, ingestEvent } from '../engine/signals.ts'
import { alert } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'

const PAGES_MAX = 20
/** What one write takes in of a page, in rows and ms: everything else gets its turn between two of them. */
const SLICE_ROWS_MAX = 50
const SLICE_MS_MAX = 5

/** Answers the new cursor. Throws NODE_UNREACHABLE, NODE_REPLACED, or AGENT_PROTOCOL for a page that is refused. */
export async function pull(engine: Engine, node: Node, signal: AbortSignal): Promise<number> {
  const agent = await engine.agents.of(node, signal)
  let cursor = node.cursor
  for (let page = 0; page < PAGES_MAX; page++) {
    const { stateId, events, more } = await agent.events(cursor, 0)
    if (node.stateId !== null && stateId !== node.stateId) {
      throw new TdfError('NODE_REPLACED', `${node.name} came back with another state (${stateId})`)
    }
    await absorb(engine, node.name, events)
    cursor = events.at(-1)?.seq ?? cursor
    if (events.length === 0 || (events.length < EVENTS_PAGE_MAX && !more)) return cursor
  }
  return cursor
}

async function absorb(engine: Engine, name: string, events: readonly AgentEvent[]): Promise<void> {
  const { store, world } = engine
  await store.commit(() => {
    const { cpuPercent = null, memoryPercent = null, diskPercent = null } = readHeartbeat(store.sql, name) ?? {}
    writeHeartbeat(store.sql, name, { at: world.clock.now(), cpuPercent, memoryPercent, diskPercent })
  })
  const became: Ingested[] = []
  while (became.length < events.length) {
    const rest = events.slice(became.length, became.length + SLICE_ROWS_MAX)
    became.push(...(await store.commit(() => ingestSlice(engine, name, rest))))
  }
  await reportRefused(engine, name, became)
}

/** Inside a write: as many rows as its time allows, at least one. Answers what became of each. */
function ingestSlice(engine: Engine, name: string, rows: readonly AgentEvent[]): Ingested[] {
  const { clock } = engine.world
  const startedAt = clock.mono()
  const became: Ingested[] = []
  for (const row of rows) {
    became.push(ingestEvent(engine, name, row))
    if (clock.mono() - startedAt > SLICE_MS_MAX) break
  }
  return became
}

async function reportRefused(engine: Engine, name: string, became: readonly Ingested[]): Promise<void> {
  const count = (what: Ingested) => became.filter(one => one === what).length
  const [unreadable, foreign, refused] = [count('unreadable'), count('foreign'), count('refused')]
  if (unreadable + foreign + refused > 0) {
    engine.log.warn({ node: name, unreadable, foreign, refused }, 'events of a node were not taken')
  }
  if (foreign === 0) return
  const message = `node ${name} reports on workspaces that are not on it; nothing of that counts`
  await alert(engine, { source: 'node', subject: name }, new TdfError('AGENT_PROTOCOL', message))
}
