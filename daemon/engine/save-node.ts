/** Writes an outcome of a node's journey, with its event and with a wake-up for every task that it concerns. */
import { TdfError } from '../../src/core/errors.ts'
import { NODE_EDGES, type NodeStatus } from '../../src/core/node.ts'
import { readAttempt, wakeAttempt } from '../../src/store/tables/attempts.ts'
import { type NodeState, type ReadNode, readNode, updateNode } from '../../src/store/tables/nodes.ts'
import { dropReservation, liveWorkspaces, reservedOn, setWorkspaceStatus } from '../../src/store/tables/slots.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { SERVING } from '../placement/place.ts'
import type { Engine } from '../services.ts'
import { placementRequest } from './attempts.ts'
import { nodeSubject, taskSubject } from './loop.ts'

/** Inside a write. False when somebody changed the node since it was read. */
export function saveNode(engine: Engine, seen: ReadNode, change: Partial<NodeState>): boolean {
  const { store, loop, world } = engine
  const now = world.clock.now()
  const next = { ...seen, ...change, updatedAt: now }
  if (next.status !== seen.status) {
    const allowed: readonly NodeStatus[] = NODE_EDGES[seen.status]
    if (!allowed.includes(next.status)) {
      throw new TdfError('BUG', `node ${seen.name}: ${seen.status} → ${next.status} is no edge of its journey`)
    }
  }
  const wakeAt = updateNode(store.sql, seen, next, now)
  if (wakeAt === false) return false
  store.afterCommit(() => loop.schedule(nodeSubject(seen.name), wakeAt))
  if (next.status !== seen.status) {
    const data = { from: seen.status, to: next.status, reason: next.waitingFor }
    engine.store.append({ type: 'node.status', nodeName: seen.name, data }, now)
    wakeTasksOn(engine, seen.name, now)
    if (!SERVING.includes(next.status)) dropReservationsOn(engine, seen.name)
    engine.placementChanged()
  }
  return true
}

/** A node that will not serve gives its reservations back: whoever still waits for a slot waits in the queue again. */
function dropReservationsOn({ store, queue }: Engine, name: string): void {
  for (const key of reservedOn(store.sql, name)) {
    dropReservation(store.sql, key)
    const task = readAttempt(store.sql, key)
    if (task?.step !== 'node_selection') continue
    const request = placementRequest(store.sql, task)
    store.afterCommit(() => queue.add(request))
  }
}

/** Inside a write: every task that waits for the node or is placed on it looks again now. */
export function wakeTasksOn({ store, loop }: Engine, name: string, now: number): void {
  const placed = liveWorkspaces(store.sql, name).map(({ taskId, attempt }) => ({ id: taskId, attempt }))
  for (const key of [...reservedOn(store.sql, name), ...placed]) {
    if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => loop.schedule(taskSubject(key), now))
  }
}

/** A held node takes no work and is not destroyed: somebody's work is still on it. */

const HOLDABLE = ['ready', 'warm', 'draining', 'lost', 'destroying']

/** Inside a write: the node waits for the work to be saved, at most `held_max`. */
export function holdNode(engine: Engine, name: string | null, now: number): void {
  const node = name === null ? undefined : readNode(engine.store.sql, name)
  if (!node || !HOLDABLE.includes(node.status)) return
  const { heldMax } = engine.config.nodes
  saveNode(engine, node, {
    status: 'held',
    wakeAt: now,
    deadlineAt: now + heldMax,
    waitingFor: nodeWaits.work(),
  })
}

/** The agent came back with an empty state folder: what ran on it is gone, and whoever waits for it must know. */

/** Inside a write. */
export function loseWorkspaces(engine: Engine, nodeName: string): void {
  const { store, world } = engine
  for (const { id } of liveWorkspaces(store.sql, nodeName)) setWorkspaceStatus(store.sql, id, 'lost')
  wakeTasksOn(engine, nodeName, world.clock.now())
}

/** The connection to a node is over: it is dialled and greeted anew now, not when its silence is noticed. */

export function connectionLost({ agents, loop, world }: Engine, nodeName: string): void {
  agents.disconnected(nodeName)
  loop.schedule(nodeSubject(nodeName), world.clock.now())
}
