/** What every part of the provider works with, and how a server of the API becomes a machine of ours. */
import type { Config } from '../../config/schema/config.ts'
import type { Machine, MachineAbout, Node } from '../../core/node.ts'
import type { World } from '../../platform/world.ts'
import type { HetznerApi, Server } from './api.ts'
import type { Fleet } from './fleet.ts'
import { isOurs } from './labels.ts'
import type { Offers } from './offers.ts'

export interface Hetzner {
  world: World
  api: HetznerApi
  fleet: Fleet
  offers: Offers
  installId: string
  config: Config['providers']['hetzner']
  /** How long a lease runs from now, in ms. */
  leaseMs: number
  /** The first-boot document. It is readable on the machine for ever, so it must hold nothing that stays secret. */
  userData(node: Node): Promise<string>
  /** In the form of authorized_keys(5); null when machines are not reached by ssh. */
  publicKey(): Promise<string | null>
}

/** What it is by now. */
export async function describe(hetzner: Hetzner, node: Node, server: Server): Promise<Machine> {
  const { installId, config, fleet } = hetzner
  if (!isOurs(server, installId, node.name)) {
    return { state: 'failed', why: `server ${server.id} has its name and does not carry its labels` }
  }
  const facts = { serverId: String(server.id), billedFrom: server.created }
  const about = aboutOf(server, config.sizes, node.size)
  const address = addressOf(server, config.transport)
  if (server.status === 'running' && address !== null) return { state: 'up', address, facts, about }
  if (server.status === 'deleting') return { state: 'failed', why: `server ${server.id} is being deleted`, facts }
  const action = node.facts.actionId === undefined ? undefined : await fleet.action(node.facts.actionId)
  if (action?.status === 'error') {
    const { code, message } = action.error ?? { code: 'unknown', message: 'no reason given' }
    return { state: 'failed', why: `Hetzner could not make server ${server.id}: ${code}: ${message}`, facts }
  }
  // A server is "off" for a while in every create: no sign of anything.
  return { state: 'coming', why: `server ${server.id} in ${about.location}, which is ${server.status}`, facts, about }
}

export function aboutOf(
  server: Server,
  sizes: Readonly<Record<string, string>>,
  asked: string | null = null,
): MachineAbout {
  const type = server.server_type
  const location = server.location?.name ?? null
  const named = Object.entries(sizes).filter(([, typeName]) => typeName === type.name)
  const size = named.find(([name]) => name === asked)?.[0] ?? named[0]?.[0] ?? asked
  const price = type.prices.find(price => price.location === location) ?? type.prices[0]
  const pricePerHour = price ? Number(price.price_hourly.gross) : null
  return { size, location, pricePerHour: Number.isFinite(pricePerHour) ? pricePerHour : null }
}

/** In a private network by the address there; else by the public one. An IPv6 network is given as `…::/64`. */
export function addressOf({ public_net, private_net }: Server, transport: 'ssh' | 'direct'): string | null {
  const own = transport === 'direct' ? private_net[0]?.ip : undefined
  const v6 = public_net.ipv6?.ip.replace(/::\/\d+$/, '::1')
  return own ?? public_net.ipv4?.ip ?? v6 ?? null
}
