/** The project as a model: servers that take their time to come and to go, actions that outlive them, ssh keys. */
import { createHash } from 'node:crypto'
import { images, locations, serverTypes } from './catalogue.ts'

export interface FakeServer {
  id: number
  name: string
  type: string
  location: string
  labels: Record<string, string>
  userData: string
  sshKeys: number[]
  created: number
  /** Never comes up, or its create action ends in an error. */
  fate: 'boots' | 'never boots' | 'fails'
  deletedAt: number | null
  address: string
}

export interface FakeAction {
  id: number
  command: string
  serverId: number
  started: number
  /** When it ends, and how. */
  endsAt: number
  fails: boolean
}

export interface FakeKey {
  id: number
  name: string
  publicKey: string
  fingerprint: string
  labels: Record<string, string>
  created: number
}

export interface Model {
  servers: Map<number, FakeServer>
  actions: Map<number, FakeAction>
  keys: Map<number, FakeKey>
  nextId: number
  bootMs: number
  deleteMs: number
  now(): number
}

const OFF_AFTER_MS = 1_000
const STARTING_AFTER_MS = 2_000

/** What goes has gone once its time is over; its name is free from then on. */
export function settle(model: Model): FakeServer[] {
  const gone = [...model.servers.values()].filter(
    ({ deletedAt }) => deletedAt !== null && model.now() >= deletedAt + model.deleteMs,
  )
  for (const { id } of gone) model.servers.delete(id)
  return gone
}

/** `off` shows up in every normal create. */
export function statusOf(model: Model, server: FakeServer): string {
  if (server.deletedAt !== null) return 'deleting'
  const age = model.now() - server.created
  if (server.fate === 'fails') return 'off'
  if (age < Math.min(OFF_AFTER_MS, model.bootMs / 3)) return 'initializing'
  if (age < Math.min(STARTING_AFTER_MS, model.bootMs / 2)) return 'off'
  return age < model.bootMs || server.fate === 'never boots' ? 'starting' : 'running'
}

export const isUp = (model: Model, server: FakeServer) => statusOf(model, server) === 'running'

export function fingerprint(publicKey: string): string | null {
  const [kind, base64] = publicKey.trim().split(/\s+/)
  if (!kind?.startsWith('ssh-') || !base64) return null
  return createHash('md5').update(Buffer.from(base64, 'base64')).digest('hex').match(/../g)?.join(':') ?? null
}

const iso = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, '+00:00')

export function serverJson(model: Model, server: FakeServer) {
  const type = serverTypes.find(({ name }) => name === server.type)
  const location = locations.find(({ name }) => name === server.location)
  return {
    ...{ id: server.id, name: server.name, status: statusOf(model, server), created: iso(server.created) },
    public_net: {
      ipv4: { id: server.id + 1, ip: server.address, blocked: false, dns_ptr: 'host.example' },
      ipv6: { id: server.id + 2, ip: '2001:db8::/64', blocked: false, dns_ptr: [] },
      ...{ floating_ips: [], firewalls: [] },
    },
    ...{ private_net: [], server_type: type, location, image: images[0], iso: null, rescue_enabled: false },
    ...{ locked: server.deletedAt !== null, backup_window: null, outgoing_traffic: 0, ingoing_traffic: 0 },
    ...{ included_traffic: 1, protection: { delete: false, rebuild: false }, labels: server.labels, volumes: [] },
    ...{ load_balancers: [], primary_disk_size: 40, placement_group: null },
  }
}

export function actionJson(model: Model, { id, command, serverId, started, endsAt, fails }: FakeAction) {
  const isOver = model.now() >= endsAt
  return {
    ...{ id, command, status: isOver ? (fails ? 'error' : 'success') : 'running', progress: isOver ? 100 : 50 },
    ...{ started: iso(started), finished: isOver ? iso(endsAt) : null },
    resources: [{ id: serverId, type: 'server' }],
    error: isOver && fails ? { code: 'action_failed', message: 'Action failed' } : null,
  }
}

export function keyJson({ id, name, publicKey, fingerprint: print, labels, created }: FakeKey) {
  return { id, name, public_key: publicKey, fingerprint: print, labels, created: iso(created) }
}
