/** One node, one step of its journey: read it, run the handler of its status, save what it says. */
import { asTdfError } from '../../src/errors.ts'
import { pendingOn } from '../../src/store/cleanups.ts'
import { type ReadNode, readHeartbeat, readNode } from '../../src/store/nodes.ts'
import { liveWorkspaces, reservedOn } from '../../src/store/slots.ts'
import type { Engine } from '../deps.ts'
import { nodeSubject } from '../subjects.ts'
import { type NodeContext, type NodeOutcome, nodeJourney } from './journey.ts'
import { saveNode } from './save-node.ts'

export async function runNode(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  const { store, world, loop } = engine
  const node = readNode(store.sql, name)
  if (!node || node.wakeAt === null) return
  const outcome = await attempt(engine, node, signal)
  const now = world.clock.now()
  const { ms, ...change } = outcome
  const wakeAt = ms === null ? null : now + Math.max(ms, 0)
  const saved = await store.commit(() => saveNode(engine, node, { ...change, wakeAt }))
  if (!saved) loop.schedule(nodeSubject(name), now)
}

/** A status has one handler; what it throws is waited out, for a machine is never given up by an exception. */
async function attempt(engine: Engine, node: ReadNode, signal: AbortSignal): Promise<NodeOutcome> {
  const { store, config, world } = engine
  const context: NodeContext = {
    engine,
    now: world.clock.now(),
    heartbeat: readHeartbeat(store.sql, node.name),
    workspaces: liveWorkspaces(store.sql, node.name).length,
    reservations: reservedOn(store.sql, node.name).length,
    unsaved: pendingOn(store.sql, node.name, 'salvage').length,
    signal,
  }
  try {
    return await nodeJourney[node.status](context, node)
  } catch (thrown) {
    if (signal.aborted) return { ms: 0 }
    const error = asTdfError(thrown)
    if (error.code === 'BUG') engine.log.error({ node: node.name, err: error.stack }, 'a node could not be run')
    return { ms: error.retryAfterMs ?? config.runner.provisionPollInterval, waitingFor: error.message }
  }
}
