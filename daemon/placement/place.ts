/**
 * Placement as one pure pass: which waiting task gets a slot on which node, and which machine is ordered. Tasks come by
 * priority, then age; one that cannot fit never blocks those behind it. The pass ends as soon as no room is left, so ten
 * thousand waiting tasks cost little more than one. A task that waits for a machine that is not there yet moves to a slot
 * that comes free elsewhere, and leaves its own to those behind it.
 */
import type { Config } from '../../src/config/schema/schema.ts'
import type { NodeStatus, ProviderName } from '../../src/core/node.ts'

export interface Wish {
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
  /** The node that it is reserved on while there is no machine yet, and may never be; else null. */
  reserved: string | null
}

export interface Room {
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
}

/** A provider that can make a machine now. */
export interface Offer {
  provider: ProviderName
  sizes: readonly string[]
  locations: readonly string[]
  slots: number
}

export interface Placing {
  config: Config
  offers: readonly Offer[]
  /** Machines that count against `max_nodes`. */
  machines: number
}

export interface Placements {
  reservations: { wish: Wish; node: string }[]
  orders: { provider: ProviderName; size: string; location: string; slots: number; wishes: Wish[] }[]
}

/** Sizes from small to large: a wish for one is met by it and by every larger one. */
const SIZES = ['small', 'medium', 'large']

export function place(queue: readonly Wish[], rooms: readonly Room[], placing: Placing): Placements {
  const free = rooms.map(room => ({ ...room }))
  const placements: Placements = { reservations: [], orders: [] }
  const mayOrder = () => placing.machines + placements.orders.length < placing.config.nodes.maxNodes
  for (const wish of queue) {
    if (
      !free.some(room => room.used < room.slots) &&
      !hasOrderRoom(placements) &&
      !(placing.offers.length && mayOrder())
    ) {
      break
    }
    const room = best(wish, wish.reserved === null ? free : free.filter(isThere), placing.config)
    if (room) {
      const left = free.find(({ name }) => name === wish.reserved)
      if (left) left.used -= 1
      room.used += 1
      placements.reservations.push({ wish, node: room.name })
      continue
    }
    if (wish.reserved === null) order(wish, placements, placing, mayOrder)
  }
  return placements
}

/** Why a node does not take a task; null when it does. `slots` are looked at last: everything else would stay. */
export function obstacle(wish: Wish, room: Room, config: Config): string | null {
  const { nodes } = config
  if (wish.node !== null && wish.node !== room.name) return `the task asked for node ${wish.node}`
  if (wish.provider !== null && wish.provider !== room.provider) return `the task asked for provider ${wish.provider}`
  if (wish.location !== null && room.location !== null && wish.location !== room.location) {
    return `it is in ${room.location}, the task asked for ${wish.location}`
  }
  if (wish.size !== null && rank(room.size) < rank(wish.size))
    return `its size is ${room.size ?? 'not known'}, the task asked for ${wish.size}`
  if (!SERVING.includes(room.status)) return `it is ${room.status}`
  if (room.silentMs !== null && room.silentMs > nodes.heartbeatStale) {
    return `it was last heard of ${Math.round(room.silentMs / 1000)} s ago`
  }
  // The load of the machine that tdf runs on is mostly its user's own; slots bound it.
  if (room.provider !== 'local') {
    if (exceeds(room.cpuPercent, nodes.cpuThresholdPercent)) {
      return `its processors are ${room.cpuPercent} % busy, the limit is ${nodes.cpuThresholdPercent} %`
    }
    if (exceeds(room.memoryPercent, nodes.memoryThresholdPercent)) {
      return `its memory is ${room.memoryPercent} % full, the limit is ${nodes.memoryThresholdPercent} %`
    }
  }
  return room.used >= room.slots ? `${room.used} of ${room.slots} slots are in use` : null
}

/** Statuses in which a slot can be reserved: there already, or on its way. */
export const SERVING: readonly NodeStatus[] = ['ready', 'warm', 'booting', 'creating', 'ordered']

/** A slot that can be used now: worth more than one on a machine that is still to come. */
const isThere = ({ status }: Room) => status === 'ready' || status === 'warm'

/** Location first, then warm before ready before ordered, the smallest size that fits, the least loaded. */
function best<T extends Room>(wish: Wish, rooms: T[], config: Config): T | undefined {
  let found: T | undefined
  for (const room of rooms) {
    if (obstacle(wish, room, config) !== null) continue
    if (!found || compare(room, found, wish) < 0) found = room
  }
  return found
}

function compare(a: Room, b: Room, wish: Wish): number {
  const away = (room: Room) => (wish.location !== null && room.location !== wish.location ? 1 : 0)
  const coming = (room: Room) => (room.status === 'warm' ? 0 : room.status === 'ready' ? 1 : 2)
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
const load = (room: Room) => 0.4 * (room.cpuPercent ?? 100) + 0.6 * (room.memoryPercent ?? 100)
const exceeds = (percent: number | null, limit: number) => percent !== null && limit < 100 && percent >= limit

/** An unnamed or unknown size fits what asks for none, and counts as the smallest. */
function rank(size: string | null): number {
  return size === null ? 0 : Math.max(SIZES.indexOf(size), 0)
}

function hasOrderRoom({ orders }: Placements): boolean {
  return orders.some(({ wishes, slots }) => wishes.length < slots)
}

function order(wish: Wish, placements: Placements, placing: Placing, mayOrder: () => boolean): void {
  if (wish.node !== null) return
  for (const offer of placing.offers) {
    if (wish.provider !== null && wish.provider !== offer.provider) continue
    const size = wish.size ?? offer.sizes[0]
    const location = wish.location ?? offer.locations[0]
    if (size === undefined || location === undefined || !offer.sizes.includes(size)) continue
    if (!offer.locations.includes(location)) continue
    const open = placements.orders.find(
      one =>
        one.provider === offer.provider &&
        one.wishes.length < one.slots &&
        rank(one.size) >= rank(size) &&
        (wish.location === null || one.location === wish.location),
    )
    if (open) open.wishes.push(wish)
    else if (mayOrder())
      placements.orders.push({ provider: offer.provider, size, location, slots: offer.slots, wishes: [wish] })
    else continue
    return
  }
}
