/**
 * A fake Hetzner: the model, its routes, the rate limit, and a list of faults. Spoken to in process (`fetch`), through
 * msw, or on a loopback port (`listen.ts`); Debian's own hcloud client is the judge of how true it is.
 */
import { hetznerApp, type Rules } from './app.ts'
import { type Fault, strike } from './faults.ts'
import { type FakeServer, isUp, type Model, settle } from './model.ts'

export interface FakeHetzner {
  /** Answers like the network: rejects when the connection is cut, waits for ever when it hangs. */
  fetch: typeof globalThis.fetch
  faults: Fault[]
  rules: Rules
  model: Model
  /** Every request that came, as `POST /servers`. */
  requests: string[]
  /** How many servers were made under each name. */
  made: Map<string, number>
  servers(): FakeServer[]
  byName(name: string): FakeServer | undefined
  isUp(server: FakeServer): boolean
  /** Servers that still cost money, with what they say of their owner. */
  leaks(): string[]
  /** Other users of the project leave only so many requests. */
  leave(requests: number): void
  /** Somebody deleted it behind our back. */
  vanish(name: string): void
}

export interface FakeHetznerOptions {
  now: () => number
  bootMs?: number
  deleteMs?: number
  token?: string
  /** Requests an hour, all of which may come at once. */
  limit?: number
  /** A machine begins to be; answers its address. */
  born?(server: FakeServer): string
  died?(server: FakeServer): void
}

export function fakeHetzner({
  now,
  bootMs = 20_000,
  deleteMs = 3_000,
  token = 'hcloud-test-token',
  limit = 3_600,
  born,
  died = () => {},
}: FakeHetznerOptions): FakeHetzner {
  const model: Model = {
    ...{ servers: new Map(), actions: new Map(), keys: new Map(), nextId: 1_000, bootMs, deleteMs, now },
  }
  const made = new Map<string, number>()
  const rules: Rules = {
    ...{ token, capacity: new Map(), unsupported: new Set(), serverLimit: 100, fate: 'boots' },
    born(server) {
      made.set(server.name, (made.get(server.name) ?? 0) + 1)
      return born?.(server) ?? `127.77.${server.id >> 8}.${server.id & 255}`
    },
    died,
  }
  const app = hetznerApp(model, rules)
  const faults: Fault[] = []
  const requests: string[] = []
  let bucket = limit
  let bucketAt = now()

  /** One request a second comes back. Answers what is left, -1 when there was none. */
  function takeToken(): number {
    bucket = Math.min(limit, bucket + (now() - bucketAt) / 1_000)
    bucketAt = now()
    if (bucket < 1) return -1
    bucket -= 1
    return Math.floor(bucket)
  }

  async function answer(request: Request, route: string): Promise<Response> {
    const left = takeToken()
    const response =
      left < 0
        ? Response.json(
            { error: { code: 'rate_limit_exceeded', message: 'limit reached', details: null } },
            { status: 429 },
          )
        : await app.request(route, request)
    const headers = new Headers(response.headers)
    headers.set('ratelimit-limit', String(limit))
    headers.set('ratelimit-remaining', String(Math.max(left, 0)))
    headers.set('ratelimit-reset', String(Math.ceil(now() / 1_000 + limit - left)))
    headers.set('x-correlation-id', `corr${requests.length}`)
    return new Response(response.body, { status: response.status, headers })
  }

  async function respond(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const route = url.pathname.replace(/^.*\/v1/, '')
    const call = `${request.method} ${route}`
    requests.push(call)
    const fault = strike(faults, call)
    if (!fault) return answer(request, route + url.search)
    if (fault.kind === 'answer') return refusal(fault.status, fault.code, fault.message)
    if (fault.kind === 'empty') return emptied(await answer(request, route + url.search))
    if (fault.kind === 'after' || fault.done) await answer(request, route + url.search)
    if (fault.kind === 'after') return refusal(fault.status, fault.code)
    if (fault.kind === 'garbage') return new Response(fault.text, { status: fault.status })
    if (fault.kind === 'cut') throw new TypeError('fetch failed', { cause: new Error('other side closed') })
    return new Promise(() => {})
  }

  return {
    ...{ faults, rules, model, requests, made },
    async fetch(input, init) {
      const request = new Request(input, init)
      // Its own one follows the caller's only as long as somebody holds the request: of one that hangs nobody does.
      const signal = init?.signal ?? request.signal
      signal.throwIfAborted()
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
      aborted.catch(() => {})
      return Promise.race([respond(request), aborted])
    },
    servers: () => {
      for (const server of settle(model)) died(server)
      return [...model.servers.values()]
    },
    byName: name => [...model.servers.values()].find(server => server.name === name),
    isUp: server => model.servers.has(server.id) && isUp(model, server),
    leaks: () => {
      for (const server of settle(model)) died(server)
      return [...model.servers.values()].map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`)
    },
    leave(requests) {
      bucket = requests
      bucketAt = now()
    },
    vanish(name) {
      const server = [...model.servers.values()].find(one => one.name === name)
      if (!server) return
      model.servers.delete(server.id)
      died(server)
    },
  }
}

function refusal(status: number, code: string, message = code): Response {
  return Response.json(
    { error: { code, message, details: null } },
    { status, headers: { 'x-correlation-id': 'corrF' } },
  )
}

async function emptied(response: Response): Promise<Response> {
  const body = Object(await response.json()) as Record<string, unknown>
  const emptyLists = Object.entries(body).map(([key, value]) => [key, Array.isArray(value) ? [] : value])
  return Response.json(Object.fromEntries(emptyLists))
}
