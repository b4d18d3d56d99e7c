/** The calls of the API that we use, by name. */
import { z } from 'zod'
import { TdfError } from '../../core/errors.ts'
import type { HetznerClient } from './client.ts'

export interface NewServer {
  name: string
  server_type: string
  location: string
  image: string
  ssh_keys: number[]
  user_data: string
  labels: Record<string, string>
}

export interface HetznerApi {
  /** Before a create, and for a server without a number. Null is no proof: a list may lack what is there. */
  byName(name: string, signal?: AbortSignal): Promise<Server | null>
  /** Null when it certainly is gone. */
  get(id: number, signal?: AbortSignal): Promise<Server | null>
  /** The same before and after a change, from the reserve of the rate limit. */
  getForChange(id: number, signal?: AbortSignal): Promise<Server | null>
  /** Every server with these labels, whatever number of pages. `isPartOfChange` as in `client.call`. */
  list(selector: string, signal?: AbortSignal, isPartOfChange?: boolean): Promise<Server[]>
  create(body: NewServer, signal?: AbortSignal): Promise<{ server: Server; action: Action }>
  /** Replaces the whole set. */
  setLabels(id: number, labels: Record<string, string>, signal?: AbortSignal): Promise<void>
  /** Begins it; it is done when `get` answers null. */
  remove(id: number, signal?: AbortSignal): Promise<void>
  actions(ids: readonly number[], isPartOfChange?: boolean): Promise<Action[]>
  keyByFingerprint(fingerprint: string, signal?: AbortSignal): Promise<{ id: number } | null>
  addKey(name: string, publicKey: string, labels: Record<string, string>, signal?: AbortSignal): Promise<{ id: number }>
  /** The first page of the keys with these labels. */
  keys(selector: string, signal?: AbortSignal): Promise<SshKey[]>
  removeKey(id: number, signal?: AbortSignal): Promise<void>
}

const PAGE = 50
const PAGES_MAX = 100

export function hetznerApi(client: HetznerClient): HetznerApi {
  const get = (path: string, signal?: AbortSignal, isPartOfChange = false) =>
    ({ method: 'GET', path, signal, isPartOfChange }) as const
  const forChange = (path: string, signal?: AbortSignal) => get(path, signal, true)

  return {
    async byName(name, signal) {
      const found = await client.call(forChange(`/servers?name=${encodeURIComponent(name)}`, signal), manyServers)
      return found?.servers.find(server => server.name === name) ?? null
    },
    async get(id, signal) {
      return (await client.call(get(`/servers/${id}`, signal), oneServer))?.server ?? null
    },
    async getForChange(id, signal) {
      return (await client.call(forChange(`/servers/${id}`, signal), oneServer))?.server ?? null
    },
    async list(selector, signal, isPartOfChange) {
      const servers: Server[] = []
      let page: number | null = 1
      for (let pages = 0; page !== null && pages < PAGES_MAX; pages++) {
        const path: string = `/servers?label_selector=${encodeURIComponent(selector)}&per_page=${PAGE}&page=${page}`
        const answer: ServerPage | null = await client.call(get(path, signal, isPartOfChange), manyServers)
        servers.push(...(answer?.servers ?? []))
        page = answer?.meta?.pagination.next_page ?? null
      }
      return servers
    },
    async create(body, signal) {
      const whole = { ...body, start_after_create: true, public_net: { enable_ipv4: true, enable_ipv6: true } }
      const request = { method: 'POST' as const, path: '/servers', body: whole, signal }
      return must(await client.call(request, created), 'POST /servers')
    },
    async setLabels(id, labels, signal) {
      await client.call({ method: 'PUT', path: `/servers/${id}`, body: { labels }, signal }, anything)
    },
    async remove(id, signal) {
      await client.call({ method: 'DELETE', path: `/servers/${id}`, signal }, anything)
    },
    async actions(ids, isPartOfChange) {
      const query = ids.map(id => `id=${id}`).join('&')
      const request = get(`/actions?${query}&per_page=${PAGE}`, undefined, isPartOfChange)
      const answer = await client.call(request, manyActions)
      return answer?.actions ?? []
    },
    async keyByFingerprint(fingerprint, signal) {
      const path = `/ssh_keys?fingerprint=${encodeURIComponent(fingerprint)}`
      const answer = await client.call(forChange(path, signal), manyKeys)
      return answer?.ssh_keys.find(key => key.fingerprint === fingerprint) ?? null
    },
    async addKey(name, publicKey, labels, signal) {
      const body = { name, public_key: publicKey, labels }
      const answer = await client.call({ method: 'POST', path: '/ssh_keys', body, signal }, oneKey)
      return must(answer, 'POST /ssh_keys').ssh_key
    },
    async keys(selector, signal) {
      const path = `/ssh_keys?label_selector=${encodeURIComponent(selector)}&per_page=${PAGE}`
      return (await client.call(get(path, signal), manyKeys))?.ssh_keys ?? []
    },
    async removeKey(id, signal) {
      await client.call({ method: 'DELETE', path: `/ssh_keys/${id}`, signal }, anything)
    },
  }
}

function must<T>(answer: T | null, call: string): T {
  if (answer !== null) return answer
  throw new TdfError('PROVIDER_REFUSED', `Hetzner answered 404 to ${call}: is [providers.hetzner] endpoint right?`)
}

// The parts of the API's objects that tdf uses. An unknown status reads as "not ready".

const labels = z.record(z.string(), z.string()).catch({})
const price = z.object({ location: z.string(), price_hourly: z.object({ gross: z.string() }) })

export const server = z.object({
  id: z.int(),
  name: z.string(),
  status: z.string(),
  created: z.iso.datetime({ offset: true }).transform(text => Date.parse(text)),
  labels,
  public_net: z.object({
    ipv4: z.object({ ip: z.string() }).nullish(),
    ipv6: z.object({ ip: z.string() }).nullish(),
  }),
  private_net: z.array(z.object({ ip: z.string() })).catch([]),
  server_type: z.object({ name: z.string(), prices: z.array(price).catch([]) }),
  /** Absent in answers of an older API, which said it by the datacenter. */
  location: z.object({ name: z.string() }).optional(),
})
export type Server = z.output<typeof server>

export const action = z.object({
  id: z.int(),
  status: z.string(),
  error: z.object({ code: z.string(), message: z.string() }).nullish(),
})
export type Action = z.output<typeof action>

export const sshKey = z.object({ id: z.int(), name: z.string(), fingerprint: z.string(), labels })
export type SshKey = z.output<typeof sshKey>

const meta = z.object({ pagination: z.object({ next_page: z.int().nullish() }) }).optional()

export const oneServer = z.object({ server })
export const created = z.object({ server, action })
export const manyServers = z.object({ servers: z.array(server), meta })
export type ServerPage = z.output<typeof manyServers>
export const manyActions = z.object({ actions: z.array(action) })
export const oneKey = z.object({ ssh_key: sshKey })
export const manyKeys = z.object({ ssh_keys: z.array(sshKey) })
export const anything = z.unknown()
