/** The calls of the API that we use, by name. */
import { TdfError } from '../../errors.ts'
import type { HetznerClient } from './client.ts'
import type { Action, Server, ServerPage } from './shapes.ts'
import * as shapes from './shapes.ts'

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
  /** Null when there is none. An empty answer of a list is no proof; one of `get` is. */
  byName(name: string, signal?: AbortSignal): Promise<Server | null>
  get(id: number, signal?: AbortSignal): Promise<Server | null>
  /** Every server with these labels, whatever number of pages. */
  list(selector: string, signal?: AbortSignal): Promise<Server[]>
  create(body: NewServer, signal?: AbortSignal): Promise<{ server: Server; action: Action }>
  /** Replaces the whole set. */
  setLabels(id: number, labels: Record<string, string>, signal?: AbortSignal): Promise<void>
  /** Begins it; it is done when `get` answers null. */
  remove(id: number, signal?: AbortSignal): Promise<void>
  actions(ids: readonly number[], signal?: AbortSignal): Promise<Action[]>
  keyByFingerprint(fingerprint: string, signal?: AbortSignal): Promise<{ id: number } | null>
  addKey(name: string, publicKey: string, labels: Record<string, string>, signal?: AbortSignal): Promise<{ id: number }>
}

const PAGE = 50
const PAGES_MAX = 100

export function hetznerApi(client: HetznerClient): HetznerApi {
  const get = (path: string, signal?: AbortSignal) => ({ method: 'GET' as const, path, signal })

  return {
    async byName(name, signal) {
      const found = await client.call(get(`/servers?name=${encodeURIComponent(name)}`, signal), shapes.manyServers)
      return found?.servers.find(server => server.name === name) ?? null
    },
    async get(id, signal) {
      return (await client.call(get(`/servers/${id}`, signal), shapes.oneServer))?.server ?? null
    },
    async list(selector, signal) {
      const servers: Server[] = []
      let page: number | null = 1
      for (let pages = 0; page !== null && pages < PAGES_MAX; pages++) {
        const path: string = `/servers?label_selector=${encodeURIComponent(selector)}&per_page=${PAGE}&page=${page}`
        const answer: ServerPage | null = await client.call(get(path, signal), shapes.manyServers)
        servers.push(...(answer?.servers ?? []))
        page = answer?.meta?.pagination.next_page ?? null
      }
      return servers
    },
    async create(body, signal) {
      const whole = { ...body, start_after_create: true, public_net: { enable_ipv4: true, enable_ipv6: true } }
      const request = { method: 'POST' as const, path: '/servers', body: whole, signal }
      return must(await client.call(request, shapes.created), 'POST /servers')
    },
    async setLabels(id, labels, signal) {
      await client.call({ method: 'PUT', path: `/servers/${id}`, body: { labels }, signal }, shapes.anything)
    },
    async remove(id, signal) {
      await client.call({ method: 'DELETE', path: `/servers/${id}`, signal }, shapes.anything)
    },
    async actions(ids, signal) {
      const query = ids.map(id => `id=${id}`).join('&')
      const answer = await client.call(get(`/actions?${query}&per_page=${PAGE}`, signal), shapes.manyActions)
      return answer?.actions ?? []
    },
    async keyByFingerprint(fingerprint, signal) {
      const path = `/ssh_keys?fingerprint=${encodeURIComponent(fingerprint)}`
      const answer = await client.call(get(path, signal), shapes.manyKeys)
      return answer?.ssh_keys.find(key => key.fingerprint === fingerprint) ?? null
    },
    async addKey(name, publicKey, labels, signal) {
      const body = { name, public_key: publicKey, labels }
      const answer = await client.call({ method: 'POST', path: '/ssh_keys', body, signal }, shapes.oneKey)
      return must(answer, 'POST /ssh_keys').ssh_key
    },
  }
}

function must<T>(answer: T | null, call: string): T {
  if (answer !== null) return answer
  throw new TdfError('PROVIDER_REFUSED', `Hetzner answered 404 to ${call}: is [providers.hetzner] endpoint right?`)
}
