/**
 * Placement as one pure pass: which waiting task gets a slot on which node, and which machine is ordered. Tasks come by
 * priority, then age; one that cannot fit never blocks those behind it. The pass ends as soon as no room is left, so ten
 * thousand waiting tasks cost little more than one. A task that waits for a machine that is not there yet moves to a slot
 * that comes free elsewhere, and leaves its own to those behind it.
 */
import type { Config } from '../../src/config/schema/config.ts'
import { credentialOf } from '../../src/core/agent.ts'
import { canPlace, isServing, type NodeStatus, type ProviderName } from '../../src/core/node.ts'
import { agentsOf, type TaskSpec } from '../../src/core/task.ts'
import { rejections } from '../../src/text/waiting.ts'
import { isStale } from '../nodes/rules/heartbeat.ts'

export interface PlacementRequest {
  id: string
  attempt: number
  priority: number
  /** Counts up with every task; the older comes first. */
  number: number
  node: string | null
  provider: string | null
  size: string | null
  location: string | null
  /** What its agent draws on; null when nothing that could run out. */
  credential: string | null
  labels: Readonly<Record<string, string>>
  /** What those draw on that go on in its place once its limit lasts longer than this. */
  fallback?: { credentials: readonly (string | null)[]; afterMs: number } | null
  /** The node that it is reserved on while there is no machine yet, and may never be; else null. */
  reserved: string | null
}

/** The accounts of a task: that of the agent that was asked for, and of those that may go on in its place. */
export function accountsOf(spec: TaskSpec): Pick<PlacementRequest, 'credential' | 'fallback'> {
  const [first = spec.agent, ...others] = agentsOf(spec)
  const credential = credentialOf({ agent: first })
  if (!spec.fallback || others.length === 0) return { credential }
  const credentials = others.map(agent => credentialOf({ agent }))
  return { credential, fallback: { credentials, afterMs: spec.fallback.afterMs } }
}

/** Whether an agent may go on now. `limits`: until when an account has nothing left, Unix ms. */
export function mayGoOn(
  { credential, fallback }: Pick<PlacementRequest, 'credential' | 'fallback'>,
  limits: ReadonlyMap<string, number>,
  now: number,
): boolean {
  const until = credential === null ? undefined : limits.get(credential)
  if (until === undefined) return true
  if (!fallback || until - now <= fallback.afterMs) return false
  return fallback.credentials.some(other => other === null || !limits.has(other))
}

export interface NodeCapacity {
  name: string
  provider: ProviderName
  status: NodeStatus
  size: string | null
  location: string | null
  /** Slots in use and slots in all. */
  used: number
  slots: number
  cpuPercent: number | null
  memoryPercent: number | null
  /** Milliseconds since the node was last heard of; null when it does not have to speak yet. */
  silentMs: number | null
  /** What its agent said that is not taken; undefined when there is nothing. */
  suspect?: string | undefined
}

/** A provider that can make a machine now. */
export interface Offer {
  provider: ProviderName
  sizes: readonly string[]
  locations: readonly string[]
  slots: number
}

export interface PlacementLimits {
  config: Config
  offers: readonly Offer[]
  /** Machines that count against `max_nodes`. */
  machines: number
}

export interface Placements {
  reservations: { request: PlacementRequest; node: string }[]
  orders: { provider: ProviderName; size: string; location: string; slots: number; requests: PlacementRequest[] }[]
}

/** Sizes from small to large: a wish for one is met by it and by every larger one. */
const SIZES = ['small', 'medium', 'large']

export function assign(
  queue: readonly PlacementRequest[],
  capacities: readonly NodeCapacity[],
  placing: PlacementLimits,
): Placements {
  const free = capacities.map(capacity => ({ ...capacity }))
  const placements: Placements = { reservations: [], orders: [] }
  const mayOrder = () => placing.machines + placements.orders.length < placing.config.nodes.maxNodes
  for (const request of queue) {
    const hasRoom = free.some(({ used, slots }) => used < slots) || placements.orders.some(isOpen)
    if (!hasRoom && !(placing.offers.length && mayOrder())) break
    const capacity = best(request, request.reserved === null ? free : free.filter(isServing), placing.config)
    if (capacity) {
      const left = free.find(({ name }) => name === request.reserved)
      if (left) left.used -= 1
      capacity.used += 1
      placements.reservations.push({ request, node: capacity.name })
      continue
    }
    if (request.reserved === null) order(request, placements, placing, mayOrder)
  }
  return placements
}

type Place = Pick<NodeCapacity, 'name' | 'provider' | 'location' | 'size'>

/** Why a task may not run on a node at all; null when it may. */
export function mismatch(request: PlacementRequest, place: Place): string | null {
  if (request.node !== null && request.node !== place.name) return rejections.otherNode(request.node)
  if (request.provider !== null && request.provider !== place.provider)
    return rejections.otherProvider(request.provider)
  if (request.location !== null && place.location !== null && request.location !== place.location) {
    return rejections.location(place.location, request.location)
  }
  if (request.size !== null && rank(place.size) < rank(request.size)) return rejections.size(place.size, request.size)
  return null
}

/** Why a node does not take a task; null when it does. `slots` are looked at last: everything else would stay. */
export function rejection(request: PlacementRequest, capacity: NodeCapacity, config: Config): string | null {
  const { nodes } = config
  const misfit = mismatch(request, capacity)
  if (misfit !== null) return misfit
  if (!canPlace(capacity)) return rejections.status(capacity.status)
  if (capacity.silentMs !== null && isStale(capacity.silentMs, config)) {
    return rejections.silence(capacity.silentMs)
  }
  if (capacity.suspect !== undefined) return rejections.suspect(capacity.suspect)
  // The load of the machine that tdf runs on is mostly its user's own; slots bound it.
  if (capacity.provider !== 'local') {
    if (exceeds(capacity.cpuPercent, nodes.cpuThresholdPercent)) {
      return rejections.processor(capacity.cpuPercent, nodes.cpuThresholdPercent)
    }
    if (exceeds(capacity.memoryPercent, nodes.memoryThresholdPercent)) {
      return rejections.memory(capacity.memoryPercent, nodes.memoryThresholdPercent)
    }
  }
  return capacity.used >= capacity.slots ? rejections.slots(capacity.used, capacity.slots) : null
}

/** Location first, then warm before ready before ordered, the smallest size that fits, the least loaded. */
function best<T extends NodeCapacity>(request: PlacementRequest, capacities: T[], config: Config): T | undefined {
  let found: T | undefined
  for (const capacity of capacities) {
    if (rejection(request, capacity, config) !== null) continue
    if (!found || compare(capacity, found, request) < 0) found = capacity
  }
  return found
}

function compare(a: NodeCapacity, b: NodeCapacity, request: PlacementRequest): number {
  const away = (capacity: NodeCapacity) => (request.location !== null && capacity.location !== request.location ? 1 : 0)
  const coming = (capacity: NodeCapacity) => (capacity.status === 'warm' ? 0 : capacity.status === 'ready' ? 1 : 2)
  return (
    away(a) - away(b) ||
    coming(a) - coming(b) ||
    rank(a.size) - rank(b.size) ||
    load(a) - load(b) ||
    a.used / a.slots - b.used / b.slots ||
    (a.name < b.name ? -1 : 1)
  )
}

/** The less the better: 0.4 processor + 0.6 memory; a node that says nothing counts as full. */
const load = (capacity: NodeCapacity) => 0.4 * (capacity.cpuPercent ?? 100) + 0.6 * (capacity.memoryPercent ?? 100)
const exceeds = (percent: number | null, limit: number) => percent !== null && limit < 100 && percent >= limit

/** An unnamed or unknown size fits what asks for none, and counts as the smallest. */
function rank(size: string | null): number {
  return size === null ? 0 : Math.max(SIZES.indexOf(size), 0)
}

const isOpen = ({ requests, slots }: Placements['orders'][number]) => requests.length < slots

function order(request: PlacementRequest, placements: Placements, placing: PlacementLimits, mayOrder: () => boolean) {
  if (request.node !== null) return
  for (const offer of placing.offers) {
    if (request.provider !== null && request.provider !== offer.provider) continue
    const size = request.size ?? offer.sizes[0]
    const location = request.location ?? offer.locations[0]
    if (size === undefined || location === undefined || !offer.sizes.includes(size)) continue
    if (!offer.locations.includes(location)) continue
    const open = placements.orders.find(
      one =>
        one.provider === offer.provider &&
        isOpen(one) &&
        rank(one.size) >= rank(size) &&
        (request.location === null || one.location === request.location),
    )
    if (!open && !mayOrder()) continue
    if (open) open.requests.push(request)
    else placements.orders.push({ provider: offer.provider, size, location, slots: offer.slots, requests: [request] })
    return
  }
}
