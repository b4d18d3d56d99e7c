/**
 * Exactly one server for each node, though the API knows no idempotency: the node's name was final before anything was
 * sent, names are unique in a project, and every create is preceded by a look.
 */
import { createHash } from 'node:crypto'
import { TdfError } from '../../core/errors.ts'
import type { Machine, Node } from '../../core/node.ts'
import type { Clock } from '../../platform/world.ts'
import type { MayVary } from '../provider.ts'
import type { HetznerApi, Server } from './api.ts'
import { REQUEST_MS } from './client.ts'
import { HetznerError } from './errors.ts'
import { installLabel, labelsOf } from './labels.ts'
import { describe, type Hetzner } from './machine.ts'
import type { Offer } from './offers.ts'

/** An account at its limit is asked again after this, or as soon as a machine of ours has gone. */
const LIMIT_MS = 5 * 60_000

export interface Orders {
  ensure(node: Node, signal: AbortSignal, mayVary: MayVary): Promise<Machine>
  /** A machine of ours has gone: there may be room for another. */
  roomAgain(): void
}

export function createOrders(hetzner: Hetzner): Orders {
  const { world, api, fleet, offers, installId, config } = hetzner
  const limit = createAccountLimit(world.clock)
  const clientKey = createClientKey(hetzner)

  async function order(node: Node, signal: AbortSignal, mayVary: MayVary): Promise<Machine> {
    limit.check()
    for (const offer of offers.open(node, mayVary)) {
      const made = offers.take(offer) ? await tryOffer(node, offer, signal) : null
      if (made) return made
    }
    // Mostly every offer is refused by now, so that this throws; one that has become free is taken by the next look.
    offers.open(node, mayVary)
    throw new TdfError('CAPACITY', 'Hetzner had no room until just now', { retryAfterMs: 1_000 })
  }

  /** Null when this offer cannot be had. */
  async function tryOffer(node: Node, offer: Offer, signal: AbortSignal): Promise<Machine | null> {
    try {
      const { server, action } = await create(node, offer, signal)
      offers.worked(offer)
      limit.lift()
      fleet.saw(server)
      const machine = await describe(hetzner, node, server)
      return { ...machine, facts: { ...machine.facts, actionId: action.id } }
    } catch (error) {
      if (!(error instanceof HetznerError)) throw error
      if (error.apiCode === 'uniqueness_error') return adopt(node, error, signal)
      if (error.code === 'PROVIDER_LIMIT') throw limit.reached(error)
      if (error.code !== 'CAPACITY' && error.code !== 'PROVIDER_REFUSED') throw error
      clientKey.forget()
      offers.refused(offer, error)
      return null
    }
  }

  async function create(node: Node, { type, location }: Offer, signal: AbortSignal) {
    const body = {
      name: node.name,
      server_type: type,
      location,
      image: config.image,
      ssh_keys: await clientKey.ids(),
      user_data: await hetzner.userData(node),
      labels: labelsOf(installId, node.name, world.clock.now() + hetzner.leaseMs),
    }
    signal.throwIfAborted()
    return api.create(body, signal)
  }

  /** An earlier create of ours was done after all. Whether the server really is ours, its labels say. */
  async function adopt(node: Node, error: HetznerError, signal: AbortSignal): Promise<Machine> {
    const server = await api.byName(node.name, signal)
    if (server) return describe(hetzner, node, server)
    throw new TdfError('PROVIDER_UNAVAILABLE', `${error.message}, and yet no server of that name is listed`)
  }

  return {
    async ensure(node, signal, mayVary) {
      const server = await lookFor(hetzner, node, signal)
      if (server) return describe(hetzner, node, server)
      // Its number names it for ever, so that this is proof; and a name is never used for a second machine.
      if (node.facts.serverId !== undefined) return { state: 'failed', why: `server ${node.facts.serverId} is gone` }
      return order(node, signal, mayVary)
    },
    roomAgain: limit.lift,
  }
}

/** The account has as many machines as it may: one node finds out for all when there is room again. */
function createAccountLimit(clock: Clock) {
  let limit: { until: number; error: TdfError } | null = null
  return {
    /** Throws PROVIDER_LIMIT while nothing is to be asked. */
    check() {
      if (!limit) return
      const now = clock.mono()
      const leftMs = limit.until - now
      if (leftMs > 0) throw new TdfError('PROVIDER_LIMIT', limit.error.message, { retryAfterMs: leftMs })
      limit.until = now + REQUEST_MS
    },
    reached(error: HetznerError): TdfError {
      limit = { until: clock.mono() + LIMIT_MS, error }
      return new TdfError('PROVIDER_LIMIT', error.message, { cause: error, retryAfterMs: LIMIT_MS })
    },
    lift() {
      limit = null
    },
  }
}

/** The id of our ssh key in the project, looked up once for all nodes, so it follows the signal of none. */
function createClientKey({ api, installId, publicKey }: Hetzner) {
  let key: Promise<number> | null = null
  const forget = () => {
    key = null
  }
  return {
    forget,
    /** None when machines are not reached by ssh. */
    async ids(): Promise<number[]> {
      const line = await publicKey()
      if (line === null) return []
      key ??= ensureKey(api, installId, line)
      key.catch(forget)
      return [await key]
    },
  }
}

/**
 * Looks in the list that all nodes share; what is not there is asked for by itself. Null is proof only where the number
 * is known; where it is not, a create may follow, so that the look may use the reserve of the rate limit.
 */
export async function lookFor({ fleet, api }: Hetzner, node: Node, signal: AbortSignal): Promise<Server | null> {
  const { serverId } = node.facts
  const listed = await fleet.server(node.name, serverId === undefined)
  signal.throwIfAborted()
  if (listed && (serverId === undefined || serverId === String(listed.id))) return listed
  return serverId === undefined ? api.byName(node.name, signal) : api.get(Number(serverId), signal)
}

/** MD5 over the key's bytes, in pairs with colons: how the API names keys (ssh-keygen -E md5). */
export function fingerprintOf(publicKey: string): string {
  const bytes = Buffer.from(publicKey.trim().split(/\s+/)[1] ?? '', 'base64')
  return createHash('md5').update(bytes).digest('hex').match(/../g)?.join(':') ?? ''
}

/**
 * The id of the key in the project, found by its fingerprint or uploaded. Each installation has one, and the project knows
 * it before a machine is made: else Hetzner sends a root password by mail.
 */
export async function ensureKey(api: HetznerApi, installId: string, publicKey: string): Promise<number> {
  const fingerprint = fingerprintOf(publicKey)
  const there = await api.keyByFingerprint(fingerprint)
  if (there) return there.id
  try {
    const name = `tdf-${installId}-${fingerprint.replaceAll(':', '').slice(0, 8)}`
    return (await api.addKey(name, publicKey, installLabel(installId))).id
  } catch (error) {
    // Another request was faster, or an answer of ours was lost: it is there now.
    const isThere = error instanceof HetznerError && error.apiCode === 'uniqueness_error'
    const found = isThere ? await api.keyByFingerprint(fingerprint) : null
    if (found) return found.id
    throw error
  }
}
