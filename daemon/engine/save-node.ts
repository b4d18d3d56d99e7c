/** Writes a change of a node with its event and with a wake-up for every task that it concerns. All inside a write. */
import { canBeHeld, isGone } from '../../src/core/node.ts'
import { chargeMachine } from '../../src/store/spending/machines.ts'
import { readAttempt, wakeAttempt } from '../../src/store/tables/attempts.ts'
import { type ReadNode, readNode, updateNode } from '../../src/store/tables/nodes.ts'
import { dropReservation, liveWorkspaces, reservedOn, setWorkspaceStatus } from '../../src/store/tables/slots.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { type NodeChange, type NodeTransition, type NodeWrite, nodeTransition } from '../nodes/rules/transition.ts'
import type { Engine } from '../services.ts'
import { placementRequest } from './attempts.ts'
import { discardWork } from './effects/discard.ts'
import { nodeSubject, taskSubject } from './loop.ts'

/** False when the node was changed since it was read. Throws BUG when its status may not change so. */
export function saveNode(engine: Engine, seen: ReadNode, change: NodeChange): boolean {
  return writeNode(engine, seen, nodeTransition(seen, change, engine.world.clock.now()))
}

/** False when the node was changed since it was read: then nothing was written. */
export function writeNode(engine: Engine, seen: ReadNode, { node, events, writes }: NodeTransition): boolean {
  const { store, loop } = engine
  const wakeAt = updateNode(store.sql, seen, node, node.updatedAt)
  if (wakeAt === false) return false
  if (node.pricePerHour !== null) chargeMachine(store.sql, seen.name, node.updatedAt, isGone(node))
  store.afterCommit(() => loop.schedule(nodeSubject(seen.name), wakeAt))
  for (const event of events) store.append(event, node.updatedAt)
  for (const write of writes) apply(engine, seen.name, write, node.updatedAt)
  return true
}

function apply(engine: Engine, name: string, write: NodeWrite, now: number): void {
  switch (write.kind) {
    case 'wake_tasks':
      return wakeTasksOn(engine, name, now)
    case 'drop_reservations':
      return dropReservationsOn(engine, name)
    case 'discard_work':
      return void discardWork(engine, name, write.reason)
    case 'place':
      return engine.placementChanged()
  }
}

/** A task that still waits for a slot waits in the queue again. */
function dropReservationsOn({ store, queue }: Pick<Engine, 'store' | 'queue'>, name: string): void {
  for (const key of reservedOn(store.sql, name)) {
    dropReservation(store.sql, key)
    const task = readAttempt(store.sql, key)
    if (task?.step !== 'node_selection') continue
    const request = placementRequest(store.sql, task)
    store.afterCommit(() => queue.add(request))
  }
}

/** Every task that waits for the node or is placed on it looks again now. */
function wakeTasksOn({ store, loop }: Pick<Engine, 'store' | 'loop'>, name: string, now: number): void {
  const placed = liveWorkspaces(store.sql, name).map(({ taskId, attempt }) => ({ id: taskId, attempt }))
  for (const key of [...reservedOn(store.sql, name), ...placed]) {
    if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => loop.schedule(taskSubject(key), now))
  }
}

/** A held node takes no work and is not destroyed until the work on it is saved, at most for `held_max`. */
export function holdNode(engine: Engine, name: string | null, now: number): void {
  const node = name === null ? undefined : readNode(engine.store.sql, name)
  if (!node || !canBeHeld(node)) return
  saveNode(engine, node, {
    status: 'held',
    wakeAt: now,
    deadlineAt: now + engine.config.nodes.heldMax,
    waitingFor: nodeWaits.work(),
  })
}

/** The agent came back with an empty state folder: what ran on it is gone, and every task there must know. */
export function loseWorkspaces(engine: Pick<Engine, 'store' | 'loop' | 'world'>, nodeName: string): void {
  const { store, world } = engine
  for (const { id } of liveWorkspaces(store.sql, nodeName)) setWorkspaceStatus(store.sql, id, 'lost')
  wakeTasksOn(engine, nodeName, world.clock.now())
}
