/** Machines ordered at Hetzner Cloud. Facts about its API: docs.hetzner.cloud, and the source of hcloud-go. */
import { type AgentLine, httpTransport } from '../../clients/transport.ts'
import type { Config } from '../../config/schema/config.ts'
import { TdfError } from '../../core/errors.ts'
import type { Machine, Node } from '../../core/node.ts'
import type { World } from '../../platform/world.ts'
import type { Provider } from '../provider.ts'
import { hetznerApi } from './api.ts'
import { hetznerClient, type OnResponse } from './client.ts'
import { createOrders, lookFor } from './ensure.ts'
import { createFleet } from './fleet.ts'
import { isOurs } from './labels.ts'
import { describe, type Hetzner } from './machine.ts'
import { markedFleet } from './marked.ts'
import { createOffers } from './offers.ts'

/** How a machine that was ordered is set up and reached. */
export interface MachineTransport extends Pick<Hetzner, 'userData' | 'publicKey'> {
  connect(node: Node): Promise<AgentLine>
  shell(node: Node): readonly string[] | null
  isOutdated(node: Node): boolean
  /** See `Provider`. */
  doing?(node: Node): string | null
  /** Closes whatever leads there. */
  hangUp(node: Node): void
  /** The machine is gone: what was known of it goes too. */
  forget(node: Node): void
}

export interface HetznerOptions {
  world: World
  config: Config['providers']['hetzner']
  installId: string
  /** Read for every request. Throws PROVIDER_AUTH when there is none. */
  token(): string
  /** How long a lease runs from now, in ms: as long as a machine may be held. */
  leaseMs: number
  transport: MachineTransport
  /** Told of every request to the API. */
  onResponse?: OnResponse
}

/** A server without a known number is believed to be gone when it was not listed for so long. More than two time-outs. */
const ABSENT_MS = 65_000

export function hetznerProvider(options: HetznerOptions): Provider {
  const { world, config, installId, transport } = options
  const api = hetznerApi(
    hetznerClient({ world, endpoint: config.endpoint, token: options.token, onResponse: options.onResponse }),
  )
  const fleet = createFleet(api, world.clock, installId)
  const hetzner: Hetzner = { ...options, ...transport, api, fleet, offers: createOffers(world.clock, config) }
  const orders = createOrders(hetzner)
  const absentSince = new Map<string, number>()

  /** An empty list is no evidence, and a create may still be under way: only a long absence is. */
  function isCertainlyAbsent({ name }: Node): boolean {
    const now = world.clock.mono()
    const since = absentSince.get(name) ?? now
    absentSince.set(name, since)
    return now - since >= ABSENT_MS
  }

  async function find(node: Node, signal: AbortSignal): Promise<Machine | { state: 'gone' }> {
    const server = await lookFor(hetzner, node, signal)
    if (server) return describe(hetzner, node, server)
    if (node.facts.serverId !== undefined || isCertainlyAbsent(node)) return { state: 'gone' }
    return { state: 'coming', why: 'Hetzner to list it' }
  }

  async function destroy(node: Node, signal: AbortSignal): Promise<boolean> {
    const { serverId } = node.facts
    fleet.forget(node.name)
    const server =
      serverId === undefined ? await api.byName(node.name, signal) : await api.getForChange(Number(serverId), signal)
    if (!server) return serverId !== undefined || isCertainlyAbsent(node)
    if (!isOurs(server, installId, node.name)) {
      // A server that is not ours has its name, so that there never was one of ours.
      if (serverId === undefined) return true
      const message = `server ${server.id} does not carry the labels of ${node.name}; delete it by hand, if it is yours`
      throw new TdfError('PROVIDER_REFUSED', message)
    }
    if (server.status !== 'deleting') await api.remove(server.id, signal)
    return (await api.getForChange(server.id, signal)) === null
  }

  return {
    staticNodes: () => [],
    catalogue: () => ({ sizes: Object.keys(config.sizes), locations: config.locations }),
    ensure: orders.ensure,
    find,
    connect: transport.connect,
    shell: transport.shell,
    isOutdated: transport.isOutdated,
    doing: node => transport.doing?.(node) ?? null,
    hangUp: transport.hangUp,
    async destroy(node, signal) {
      transport.hangUp(node)
      const isGone = await destroy(node, signal)
      if (isGone) {
        absentSince.delete(node.name)
        transport.forget(node)
        orders.roomAgain()
      }
      return isGone
    },
    fleet: markedFleet(hetzner),
  }
}

const AGENT_PORT = 8787
const FOLDER = '/etc/tdf-agent'

export interface DirectOptions {
  /** What the daemon presents to a node's agent. */
  token(nodeName: string): string
  /** Run as root at the first boot; empty: nothing. */
  setup: string
}

/**
 * `transport = "direct"`: the image carries a tdf-agent of its own, which listens in a private network. The first-boot
 * document gives it its name and its token; a process that may become root there may read both, as everywhere.
 */
export function directTransport({ token, setup }: DirectOptions): MachineTransport {
  const file = (path: string, permissions: string, content: string) => ({ path, permissions, content })
  return {
    // JSON is YAML, and quotes whatever is in it.
    userData: async ({ name }) =>
      `#cloud-config\n${JSON.stringify({
        write_files: [
          file(`${FOLDER}/name`, '0644', `${name}\n`),
          file(`${FOLDER}/token`, '0600', `${token(name)}\n`),
          ...(setup === '' ? [] : [file(`${FOLDER}/setup`, '0700', setup)]),
        ],
        runcmd: [...(setup === '' ? [] : [[`${FOLDER}/setup`]]), ['systemctl', 'restart', 'tdf-agent']],
      })}\n`,
    publicKey: async () => null,
    connect: async ({ name, address }) => {
      const host = address?.includes(':') ? `[${address}]` : address
      return { transport: httpTransport({ url: `http://${host}:${AGENT_PORT}` }), token: token(name) }
    },
    shell: () => null,
    isOutdated: () => false,
    hangUp: () => {},
    forget: () => {},
  }
}
