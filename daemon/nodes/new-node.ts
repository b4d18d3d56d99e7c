/** A node before anything was asked of its provider: the row that owns the machine. */
import type { Node, ProviderName } from '../../src/core/node.ts'
import type { MarkedMachine, StaticNode } from '../../src/machines/provider.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import type { Engine } from '../services.ts'

type About = Pick<Node, 'name' | 'provider' | 'size' | 'location' | 'address' | 'autoProvisioned' | 'maxWorkspaces'>

const newNode = (about: About, now: number): Node => ({
  ...about,
  rev: 0,
  status: 'ordered',
  stateId: null,
  cursor: 0,
  wakeAt: now,
  deadlineAt: null,
  waitingFor: null,
  warmUntil: null,
  pricePerHour: null,
  facts: {},
  readyAt: null,
  createdAt: now,
  updatedAt: now,
})

/** A machine to order. Its name is final: the provider knows it by nothing else. */
export function freshNode(
  { install, world, config }: Pick<Engine, 'install' | 'world' | 'config'>,
  { provider, size, location }: { provider: ProviderName; size: string; location: string },
  now: number,
): Node {
  const name = `tdf-${install.id.slice(0, 8)}-${world.random.bytes(6).toString('hex')}`
  const { maxWorkspaces } = config.nodes
  return newNode({ name, provider, size, location, address: null, autoProvisioned: true, maxWorkspaces }, now)
}

/** A node that exists without an order: this machine, or a static node. */
export function newStaticNode(provider: ProviderName, { forget: _, ...about }: StaticNode, now: number): Node {
  return newNode({ ...about, provider, autoProvisioned: false }, now)
}

/** A machine that carries our labels and has no row: it takes no work before what is on it is known or saved. */
export function adoptedNode(
  provider: ProviderName,
  { nodeName, id, size, location, address, pricePerHour, createdAt }: MarkedMachine,
  { now, slots, deadlineAt }: { now: number; slots: number; deadlineAt: number },
): Node {
  // With the slots that it was prepared for, so that it is not prepared anew for a machine without users.
  const about = { name: nodeName, provider, size, location, address, autoProvisioned: true, maxWorkspaces: slots }
  return {
    ...newNode(about, now),
    pricePerHour,
    createdAt,
    deadlineAt,
    status: 'held',
    waitingFor: nodeWaits.adoptedWork(),
    facts: { serverId: id, billedFrom: createdAt, adopted: true },
  }
}

/**
 * How long the lease of a machine runs from now, in ms: so much longer than `held_max` that a lease never falls below it between two renewals, and few are needed:
 * `tdf reap` must never come earlier than the daemon itself would have given a machine up.
 */
export const leaseMs = (heldMaxMs: number): number => heldMaxMs + Math.ceil(heldMaxMs / 12)
