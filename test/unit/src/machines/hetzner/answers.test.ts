/** Answers as they come: what the client reads of them, what it says of odd ones, and what it sends. */
import { beforeEach, describe, expect, it } from 'vitest'
import { type HetznerApi, hetznerApi } from '../../../../../src/machines/hetzner/api.ts'
import {
  type Budget,
  createBudget,
  hetznerClient,
  type OnResponse,
} from '../../../../../src/machines/hetzner/client.ts'
import { type SimWorld, simWorld, timeline } from '../../../../fakes/world.ts'

interface Sent {
  url: string
  method: string | undefined
  headers: Record<string, string>
  body: unknown
  redirect: string | undefined
}

let sent: Sent[]
/** What the next requests are answered, in their order; an error cuts the connection. */
let answers: (Response | Error)[]
let world: SimWorld
let api: HetznerApi
let heard: Parameters<OnResponse>[]

beforeEach(() => {
  sent = []
  answers = []
  heard = []
  world = simWorld(timeline(), {
    async fetch(input, init) {
      sent.push({
        ...{ url: String(input), method: init?.method, headers: init?.headers as Record<string, string> },
        ...{ body: init?.body === undefined ? undefined : JSON.parse(String(init.body)), redirect: init?.redirect },
      })
      const answer = answers.shift() ?? new Error('there is no answer')
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  const onResponse: OnResponse = (...said) => void heard.push(said)
  api = hetznerApi(hetznerClient({ world, endpoint: 'https://x.test/v1/', token: () => 'token-1', onResponse }))
})

const SERVER = {
  ...{ id: 7, name: 'one', status: 'running', created: '2026-01-01T00:00:00+00:00', labels: { a: 'b' } },
  public_net: { ipv4: { ip: '192.0.2.7' }, ipv6: { ip: '2001:db8::/64' } },
  private_net: [{ ip: '10.0.0.2' }],
  server_type: { name: 'cx23', prices: [{ location: 'fsn1', price_hourly: { gross: '0.006' } }] },
  location: { name: 'fsn1' },
}
const READ = { ...SERVER, created: Date.UTC(2026, 0, 1) }
const json = (body: unknown, status = 200) => Response.json(body, { status })
const thrown = (asked: Promise<unknown>): Promise<Error> =>
  asked.then(
    () => new Error('it was taken'),
    error => error,
  )

describe('a server', () => {
  it('is read with all that is used of it, and with nothing else', async () => {
    answers.push(json({ server: { ...SERVER, locked: true } }))
    expect(await api.get(7)).toEqual(READ)
  })

  it('is read without what it does not have, or has in another form', async () => {
    const { location: _, ...old } = SERVER
    const odd = { ...old, labels: null, private_net: {}, server_type: { name: 'cx23', prices: 'none' } }
    answers.push(json({ server: { ...odd, public_net: { ipv4: null } } }))
    const { location: __, ...read } = READ
    expect(await api.get(7)).toEqual({
      ...{ ...read, labels: {}, private_net: [], public_net: { ipv4: null } },
      server_type: { name: 'cx23', prices: [] },
    })
  })

  it.each([{ id: 'x' }, { created: 'yesterday' }, { server_type: {} }, { public_net: undefined }])(
    'that lacks %j is an answer that did not come',
    async change => {
      answers.push(json({ server: { ...SERVER, ...change } }))
      expect(await thrown(api.get(7))).toMatchObject({
        ...{ code: 'PROVIDER_UNAVAILABLE', status: 502, isOutcomeUnknown: true, apiCode: null },
        message: expect.stringContaining('an answer that does not have the shape of the API'),
      })
    },
  )

  it('is not there where the API says 404; a list that is not there has none', async () => {
    answers.push(json({}, 404), json({}, 404), json({}, 404), json({}, 404), json({}, 404))
    expect([await api.get(7), await api.byName('one'), await api.keyByFingerprint('f')]).toEqual([null, null, null])
    expect([await api.list('a=b'), await api.actions([1])]).toEqual([[], []])
  })

  it('is found by its whole name alone', async () => {
    answers.push(json({ servers: [{ ...SERVER, name: 'one-more' }, SERVER] }), json({ servers: [] }))
    expect(await api.byName('one')).toEqual(READ)
    expect(await api.byName('o&e')).toBeNull()
    expect(sent.map(({ url }) => url)).toEqual([
      'https://x.test/v1/servers?name=one',
      'https://x.test/v1/servers?name=o%26e',
    ])
  })

  it('is ordered to be started, with addresses of both kinds', async () => {
    answers.push(json({ server: SERVER, action: { id: 3, status: 'running', error: null } }, 201))
    const order = {
      name: 'one',
      server_type: 'cx23',
      location: 'fsn1',
      image: 'i',
      ssh_keys: [1],
      user_data: 'u',
      labels: {},
    }
    expect(await api.create(order)).toMatchObject({ server: READ, action: { id: 3, status: 'running' } })
    expect(sent).toEqual([
      {
        ...{ url: 'https://x.test/v1/servers', method: 'POST', redirect: 'error' },
        body: { ...order, start_after_create: true, public_net: { enable_ipv4: true, enable_ipv6: true } },
        headers: { authorization: 'Bearer token-1', accept: 'application/json', 'content-type': 'application/json' },
      },
    ])
  })

  it('that is asked for sends no body', async () => {
    answers.push(json({ server: SERVER }))
    await api.get(7)
    expect(sent[0]).toMatchObject({ body: undefined, headers: { authorization: 'Bearer token-1' } })
    expect(Object.keys(sent[0]?.headers ?? {})).toEqual(['authorization', 'accept'])
  })

  it.each([
    ['POST /servers', () => api.create({} as Parameters<HetznerApi['create']>[0])],
    ['POST /ssh_keys', () => api.addKey('name', 'key', {})],
  ])('or a key that cannot be ordered at all is a question of the endpoint: %s', async (call, order) => {
    answers.push(new Response('<html>Not Found</html>', { status: 404 }))
    const message = `Hetzner answered 404 to ${call}: is [providers.hetzner] endpoint right?`
    expect(await thrown(order())).toMatchObject({ code: 'PROVIDER_REFUSED', message })
  })
})

describe('a list', () => {
  const page = (next: number | null) => json({ servers: [SERVER], meta: { pagination: { next_page: next } } })

  it('is read page by page, as long as there is a next one', async () => {
    answers.push(page(2), page(5), page(null))
    expect(await api.list('a=b,c')).toHaveLength(3)
    const base = 'https://x.test/v1/servers?label_selector=a%3Db%2Cc&per_page=50&page='
    expect(sent.map(({ url }) => url)).toEqual([`${base}1`, `${base}2`, `${base}5`])
  })

  it('that never ends is left after a hundred pages', async () => {
    answers.push(...Array.from({ length: 120 }, () => page(2)))
    expect(await api.list('a=b')).toHaveLength(100)
  })

  it('of actions is asked for by their numbers', async () => {
    const action = { id: 1, status: 'error', error: { code: 'c', message: 'm' } }
    answers.push(json({ actions: [action] }))
    expect(await api.actions([1, 2])).toEqual([action])
    expect(sent[0]?.url).toBe('https://x.test/v1/actions?id=1&id=2&per_page=50')
  })
})

describe('a refusal', () => {
  it('is quoted with code and number, both within bounds', async () => {
    const error = { code: 'c'.repeat(200), message: 'm'.repeat(900) }
    answers.push(Response.json({ error }, { status: 422, headers: { 'x-correlation-id': 'id-1' } }))
    expect(await thrown(api.get(7))).toMatchObject({
      ...{ apiCode: 'c'.repeat(100), correlationId: 'id-1' },
      message: `Hetzner answered 422 ${'c'.repeat(100)} to GET /servers/7: ${'m'.repeat(500)} (correlation id id-1)`,
    })
  })

  it('without words says that there are none', async () => {
    answers.push(json({ error: { code: 7, message: 7 } }, 400), json(null, 400), json('no', 400))
    for (const _ of [1, 2, 3]) {
      const message = 'Hetzner answered 400 to GET /servers/7: no reason given'
      expect(await thrown(api.get(7))).toMatchObject({ code: 'PROVIDER_REFUSED', apiCode: null, message })
    }
  })

  it('of the network says why, as far as it is known, and no more than is needed', async () => {
    const because = (cause: unknown) => Object.assign(new TypeError('fetch failed'), { cause })
    answers.push(because(new Error('other side closed')), because('a text'), new Error('x'.repeat(900)))
    const words = async () => (await thrown(api.get(7))).message
    expect(await words()).toBe('Hetzner did not answer to GET /servers/7: other side closed')
    expect(await words()).toBe('Hetzner did not answer to GET /servers/7: fetch failed')
    expect(await words()).toBe(`Hetzner did not answer to GET /servers/7: ${'x'.repeat(500)}`)
    expect(heard).toEqual([
      [0, 3_599],
      [0, 3_598],
      [0, 3_597],
    ])
  })

  it('is an answer that is larger than any of the API', async () => {
    answers.push(new Response('x'.repeat(8 * 1024 * 1024 + 1)))
    const message = expect.stringContaining('an answer of more than 8388608 bytes')
    expect(await thrown(api.get(7))).toMatchObject({ code: 'PROVIDER_UNAVAILABLE', status: 0, message })
  })
})

describe('the budget of requests', () => {
  const headers = (limit: number | null, left: number | null) =>
    new Headers({
      ...(limit === null ? {} : { 'ratelimit-limit': String(limit) }),
      ...(left === null ? {} : { 'ratelimit-remaining': String(left) }),
    })
  let budget: Budget
  beforeEach(() => {
    budget = createBudget(world.clock)
  })
  const wait = (kind: 'look' | 'change') => {
    try {
      budget.take(kind)
      return 0
    } catch (error) {
      return (error as { retryAfterMs: number }).retryAfterMs
    }
  }

  it('is what the API says, less what is under way, and refills by one a second up to its limit', async () => {
    expect(budget.left()).toBe(3_600)
    budget.update(headers(null, null))
    expect(budget.left()).toBe(3_600)
    budget.update(headers(100, 50))
    budget.update(headers(0, 70))
    expect(budget.left()).toBe(50)
    budget.take('look')
    expect(budget.left()).toBe(49)
    await world.clock.advance(10_500)
    expect(budget.left()).toBe(59)
    await world.clock.advance(3_600_000)
    expect(budget.left()).toBe(100)
  })

  it('keeps a tenth for changes; what has to wait is told how long, between a second and a minute', async () => {
    budget.update(headers(100, 10))
    expect([wait('look'), wait('look'), wait('change')]).toEqual([0, 1_000, 0])
    budget.update(headers(100, 5))
    expect(wait('look')).toBe(5_000)
    budget.update(headers(100, 1))
    expect([wait('change'), wait('change')]).toEqual([0, 1_000])
    budget.update(headers(3_600, 0))
    expect(wait('look')).toBe(60_000)
    await world.clock.advance(1_000)
    expect(wait('change')).toBe(0)
  })

  it('is nothing for a quarter of a minute after a refusal', async () => {
    budget.refused()
    expect([budget.left(), wait('change')]).toEqual([0, 15_000])
    await world.clock.advance(14_000)
    expect(wait('change')).toBe(1_000)
    await world.clock.advance(1_000)
    expect(wait('change')).toBe(0)
  })
})
