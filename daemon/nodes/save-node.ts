/** Writes an outcome of a node's journey, with its event and with a wake-up for every task that it concerns. */
import { TdfError } from '../../src/errors.ts'
import { NODE_EDGES, type NodeStatus } from '../../src/node.ts'
import { readAttempt, wakeAttempt } from '../../src/store/attempts.ts'
import { type NodeState, type ReadNode, updateNode } from '../../src/store/nodes.ts'
import { dropReservation, liveWorkspaces, reservedOn } from '../../src/store/slots.ts'
import type { Engine } from '../deps.ts'
import { wishOf } from '../open-attempt.ts'
import { SERVING } from '../place.ts'
import { nodeSubject, taskSubject } from '../subjects.ts'

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
    const wish = wishOf(store.sql, task)
    store.afterCommit(() => queue.add(wish))
  }
}

/** Inside a write: every task that waits for the node or is placed on it looks again now. */
export function wakeTasksOn({ store, loop }: Engine, name: string, now: number): void {
  const placed = liveWorkspaces(store.sql, name).map(({ taskId, attempt }) => ({ id: taskId, attempt }))
  for (const key of [...reservedOn(store.sql, name), ...placed]) {
    if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => loop.schedule(taskSubject(key), now))
  }
}
