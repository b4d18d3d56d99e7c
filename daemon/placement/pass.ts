/**
 * Runs the placement pass whenever something changed that may give a waiting task its slot: once a turn, however much
 * changed. Reservations, ordered nodes and wake-ups are one transaction.
 */
import { isGone, isServing, type ProviderName } from '../../src/core/node.ts'
import { readAttempt, wakeAttempt } from '../../src/store/tables/attempts.ts'
import { limitsAt } from '../../src/store/tables/meta.ts'
import { insertNode, type ReadNode, readHeartbeats, readNodes } from '../../src/store/tables/nodes.ts'
import {
  dropReservation,
  reserve,
  reservedOnOrders,
  restingWorkspaces,
  slotsInUse,
} from '../../src/store/tables/slots.ts'
import { placementRequest } from '../engine/attempts.ts'
import { nodeSubject, taskSubject } from '../engine/loop.ts'
import { freshNode } from '../nodes/new-node.ts'
import type { Engine } from '../services.ts'
import { hasBudgets, holdOf, orderHold } from './budgets.ts'
import { assign, mayGoOn, type NodeCapacity, type Offer, type PlacementRequest, type Placements } from './place.ts'
import { inOrder } from './queue.ts'

/** Answers a function that asks for a pass; the pass itself comes with the next group of writes. */
export function createPlacement(engine: () => Engine): () => void {
  let asked = false
  return () => {
    if (asked) return
    asked = true
    const { store, log } = engine()
    // A rejected pass is asked for again by the next change, at the latest by the sweep.
    store
      .commit(() => {
        asked = false
        pass(engine())
      })
      .catch(error => log.error({ err: String(error) }, 'the placement pass failed'))
  }
}

/** Inside a write. */
function pass(engine: Engine): void {
  const waiting = withMovable(engine, engine.queue.list())
  if (waiting.length === 0 || engine.admission.obstacle() !== null) return
  const now = engine.world.clock.now()
  const queue = affordable(engine, unlimited(waiting, limitsAt(engine.store.sql, now), now), now)
  const nodes = readNodes(engine.store.sql)
  const placements = assign(queue, capacitiesOf(engine, nodes, now), {
    config: engine.config,
    offers: hasBudgets(engine.config) && orderHold(engine, now) !== null ? [] : offersOf(engine),
    machines: nodes.filter(counts).length,
  })
  apply(engine, placements, now)
}

/** Tasks that wait for a slot, and tasks whose slot is on a machine that may never be had. */
function withMovable({ store: { sql } }: Engine, queue: readonly PlacementRequest[]): readonly PlacementRequest[] {
  const movable = reservedOnOrders(sql).flatMap(({ nodeName, ...key }) => {
    const task = readAttempt(sql, key)
    return task && WAITS.includes(task.step) ? [{ ...placementRequest(sql, task), reserved: nodeName }] : []
  })
  return movable.length === 0 ? queue : [...movable, ...queue].sort(inOrder)
}

/** Steps in which a task has no workspace yet. */
export const WAITS: readonly (string | null)[] = ['node_selection', 'node_provisioning', 'node_agent_ready']

/** A slot is of no use to an agent whose account has nothing left, unless another one goes on in its place. */
function unlimited(waiting: readonly PlacementRequest[], limits: ReadonlyMap<string, number>, now: number) {
  return limits.size === 0 ? waiting : waiting.filter(request => mayGoOn(request, limits, now))
}

/** Nothing is begun that a budget has nothing left for. Most tasks have the same few labels. */
function affordable(engine: Engine, waiting: readonly PlacementRequest[], now: number) {
  if (!hasBudgets(engine.config)) return waiting
  const held = new Map<string, boolean>()
  return waiting.filter(({ id, labels }) => {
    const key = JSON.stringify(labels)
    const isHeld = held.get(key) ?? holdOf(engine, { id, labels }, now) !== null
    held.set(key, isHeld)
    return !isHeld
  })
}

/** Machines that count against `max_nodes`: ours, until they are gone. */
export const counts = (node: ReadNode) => node.autoProvisioned && !isGone(node)

export function capacitiesOf(engine: Pick<Engine, 'store'>, nodes: readonly ReadNode[], now: number): NodeCapacity[] {
  const used = slotsInUse(engine.store.sql)
  const resting = restingWorkspaces(engine.store.sql, now)
  const heartbeats = readHeartbeats(engine.store.sql)
  return nodes.map(node => {
    const beat = heartbeats.get(node.name)
    const inUse = used.get(node.name) ?? 0
    return {
      name: node.name,
      provider: node.provider,
      // It may come back from an outage as ready.
      status: node.facts.isUnlisted ? 'draining' : node.status,
      size: node.size,
      location: node.location,
      // A local node has no slots but this count: a task that rests on it takes nothing, until it wants to go on.
      used: node.provider === 'local' ? inUse - (resting.get(node.name) ?? 0) : inUse,
      // On a machine that was found without an owner it is not known yet what else takes up room.
      slots: node.facts.adopted ? inUse : node.maxWorkspaces,
      cpuPercent: beat?.cpuPercent ?? null,
      memoryPercent: beat?.memoryPercent ?? null,
      silentMs: isServing(node) && beat ? now - beat.at : null,
      suspect: node.facts.suspect,
    }
  })
}

export function offersOf({ providers, config }: Pick<Engine, 'providers' | 'config'>): Offer[] {
  return Object.entries(providers).flatMap(([name, provider]) => {
    const catalogue = provider.catalogue()
    // The keys of the table are provider names.
    return catalogue ? [{ provider: name as ProviderName, ...catalogue, slots: config.nodes.maxWorkspaces }] : []
  })
}

function apply(engine: Engine, { reservations, orders }: Placements, now: number): void {
  const { store } = engine
  for (const { request, node } of reservations) giveSlot(engine, request, node, now)
  for (const order of orders) {
    const node = freshNode(engine, order, now)
    if (!insertNode(store.sql, node)) continue
    const data = { from: null, to: 'ordered', reason: null }
    store.append({ type: 'node.status', nodeName: node.name, data }, now)
    store.afterCommit(() => engine.loop.schedule(nodeSubject(node.name), now))
    for (const request of order.requests) giveSlot(engine, request, node.name, now)
  }
}

/** Inside a write. `request.reserved` names the node that the task leaves for this one. */
export function giveSlot(engine: Engine, request: PlacementRequest, node: string, now: number): void {
  const { store, loop, queue } = engine
  if (request.reserved !== null) leave(engine, request, request.reserved, now)
  if (!reserve(store.sql, { id: request.id, attempt: request.attempt, nodeName: node }, now)) return
  wakeAttempt(store.sql, request, now)
  store.afterCommit(() => {
    queue.remove(request)
    loop.schedule(taskSubject(request), now)
  })
}

/** Perhaps no task waits for that machine any more: its node looks again whether it is wanted. */
function leave({ store, loop }: Engine, request: PlacementRequest, node: string, now: number): void {
  dropReservation(store.sql, request)
  store.afterCommit(() => loop.schedule(nodeSubject(node), now))
}
