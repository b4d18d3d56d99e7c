/** The client against the fake, by the real fetch: msw stands where the network would be. */
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDaemonMetrics } from '../../../../../daemon/reporting/metrics.ts'
import { hetznerApi } from '../../../../../src/machines/hetzner/api.ts'
import { hetznerClient } from '../../../../../src/machines/hetzner/client.ts'
import { ensureKey, fingerprintOf } from '../../../../../src/machines/hetzner/ensure.ts'
import { HetznerError } from '../../../../../src/machines/hetzner/errors.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { type FakeHetzner, fakeHetzner } from '../../../../fakes/hetzner/cloud.ts'
import { no, type Strike } from '../../../../fakes/hetzner/faults.ts'
import { type SimWorld, simWorld, timeline } from '../../../../fakes/world.ts'

const TOKEN = 'hcloud-test-token'
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Lvbx0Hq3yQb6oJ8c6aT6aVq0f8k6U8w1S5mC3qWJz tdf'
let cloud: FakeHetzner
const net = setupServer(
  http.all('https://api.hetzner.cloud/*', ({ request }) => cloud.fetch(request).catch(HttpResponse.error)),
)
// A server that another file made in this process may have put a lighter class in the place of Response: msw knows its
// own network error by the class of the platform.
const lighter = globalThis.Response
beforeAll(async () => {
  globalThis.Response = (await fetch('data:,')).constructor as typeof Response
  net.listen({ onUnhandledRequest: 'error' })
})
afterEach(() => net.resetHandlers())
afterAll(() => {
  net.close()
  globalThis.Response = lighter
})
beforeEach(() => {
  cloud = fakeHetzner({ now: Date.now, bootMs: 0, deleteMs: 0 })
})

const endpoint = 'https://api.hetzner.cloud/v1'
const api = (world = realWorld({}), token = () => TOKEN) => hetznerApi(hetznerClient({ world, endpoint, token }))
const order = (name: string, labels: Record<string, string> = { 'tdf-install': 'i1', 'tdf-node': name }) => ({
  ...{ name, labels, server_type: 'cx23', location: 'fsn1', image: 'debian-13', ssh_keys: [], user_data: '#!/bin/sh' },
})

/** The same client over a simulated clock, with the fake in process. */
function simulated(token = () => TOKEN, limit = 3_600): { world: SimWorld; api: ReturnType<typeof hetznerApi> } {
  const time = timeline()
  const world = simWorld(time, { fetch: (input, init) => cloud.fetch(input, init) })
  cloud = fakeHetzner({ now: () => time.now, limit })
  return { world, api: hetznerApi(hetznerClient({ world, endpoint, token })) }
}

it('makes a server, finds it, relabels it, and knows when it is gone', async () => {
  const { server } = await api().create(order('one'))
  expect(await api().byName('one')).toMatchObject({ id: server.id, location: { name: 'fsn1' } })
  await api().setLabels(server.id, { 'tdf-install': 'i2' })
  expect(await api().list('tdf-install=i2')).toHaveLength(1)
  expect(await api().list('tdf-install=i1')).toEqual([])
  await api().remove(server.id)
  expect(await api().get(server.id)).toBeNull()
})

it('reads a list of several pages to its end', async () => {
  for (let index = 0; index < 60; index++) await api().create(order(`n${index}`))
  expect(await api().list('tdf-install=i1')).toHaveLength(60)
})

const answers: [strike: Strike, expected: object][] = [
  [no(400, 'json_error'), { code: 'PROVIDER_REFUSED', status: 400 }],
  [no(401, 'unauthorized'), { code: 'PROVIDER_AUTH' }],
  [no(401, 'token_readonly'), { code: 'PROVIDER_AUTH' }],
  [no(403, 'forbidden'), { code: 'PROVIDER_AUTH' }],
  [no(403, 'maintenance'), { code: 'PROVIDER_UNAVAILABLE' }],
  [no(403, 'resource_limit_exceeded'), { code: 'PROVIDER_LIMIT' }],
  [no(403, 'server_limit_exceeded'), { code: 'PROVIDER_LIMIT' }],
  [no(405, 'method_not_allowed'), { code: 'PROVIDER_REFUSED' }],
  [no(409, 'uniqueness_error'), { code: 'PROVIDER_REFUSED', apiCode: 'uniqueness_error' }],
  [no(409, 'conflict'), { code: 'PROVIDER_UNAVAILABLE' }],
  [no(410, 'deprecated_api_endpoint'), { code: 'PROVIDER_REFUSED' }],
  [no(412, 'resource_unavailable'), { code: 'CAPACITY' }],
  [no(412, 'placement_error'), { code: 'CAPACITY' }],
  [no(422, 'invalid_input', 'image not found'), { code: 'PROVIDER_REFUSED' }],
  [no(422, 'invalid_input', 'Unsupported location for server type'), { code: 'CAPACITY' }],
  [no(403, 'protected', 'Unsupported location for server type'), { code: 'PROVIDER_REFUSED' }],
  [no(422, 'service_error'), { code: 'PROVIDER_UNAVAILABLE', isOutcomeUnknown: false }],
  [no(422, 'unsupported_error'), { code: 'PROVIDER_REFUSED' }],
  [no(423, 'locked'), { code: 'PROVIDER_UNAVAILABLE' }],
  [no(423, 'protected'), { code: 'PROVIDER_REFUSED' }],
  [no(429, 'rate_limit_exceeded'), { code: 'PROVIDER_UNAVAILABLE' }],
  [no(500, 'server_error'), { code: 'PROVIDER_UNAVAILABLE', isOutcomeUnknown: true }],
  [no(503, 'unavailable'), { code: 'PROVIDER_UNAVAILABLE', isOutcomeUnknown: true }],
  [no(504, 'timeout'), { code: 'PROVIDER_UNAVAILABLE', isOutcomeUnknown: true }],
  [
    { kind: 'garbage', status: 502, text: '<html>Bad Gateway</html>', done: false },
    { code: 'PROVIDER_UNAVAILABLE', apiCode: null, isOutcomeUnknown: true },
  ],
  [{ kind: 'garbage', status: 201, text: '{"server":{"id":', done: true }, { isOutcomeUnknown: true }],
  [
    { kind: 'cut', done: false },
    { code: 'PROVIDER_UNAVAILABLE', status: 0, isOutcomeUnknown: true },
  ],
]

describe('what the API says when it says no', () => {
  it.each(answers)('%o', async (strike, expected) => {
    cloud.faults.push({ on: /POST \/servers/, strike, times: 1 })
    const error = await api(realWorld({}))
      .create(order('one'))
      .catch(thrown => thrown)
    expect(error).toBeInstanceOf(HetznerError)
    expect(error).toMatchObject(expected)
    if (strike.kind === 'answer') expect(error).toMatchObject({ status: strike.status, correlationId: 'corrF' })
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(TOKEN)
  })
})

describe('how it bears itself', () => {
  it('gives up a request that hangs, and one whose caller has gone', async () => {
    const { world, api: hanging } = simulated()
    cloud.faults.push({ on: /GET/, strike: { kind: 'hang', done: false }, times: 2 })
    const late = hanging.get(1).catch(thrown => thrown)
    await world.clock.advance(30_000)
    expect(await late).toMatchObject({ code: 'PROVIDER_UNAVAILABLE', message: expect.stringContaining('30000 ms') })
    const gone = new AbortController()
    const left = hanging.get(1, gone.signal).catch(thrown => thrown)
    await world.settle()
    gone.abort(new Error('the daemon stops'))
    expect(await left).toMatchObject({ message: 'the daemon stops' })
  })

  it('tells the metrics of every request and of what it may still ask', async () => {
    const { registry, hetzner } = createDaemonMetrics()
    const asking = hetznerApi(
      hetznerClient({ world: realWorld({}), endpoint, token: () => TOKEN, onResponse: hetzner }),
    )
    expect(registry.text()).not.toMatch(/^tdf_hcloud_ratelimit_remaining/m)
    await asking.get(1)
    cloud.faults.push({ on: /GET/, strike: { kind: 'cut', done: false }, times: 1 })
    await asking.get(1).catch(() => {})
    expect(registry.text()).toContain('tdf_hcloud_requests_total{code="404"} 1\n')
    expect(registry.text()).toContain('tdf_hcloud_requests_total{code="0"} 1\n')
    expect(registry.text()).toContain('tdf_hcloud_ratelimit_remaining 3598\n')
  })

  it('asks once with a token that is refused, and again as soon as there is another', async () => {
    let token = 'revoked'
    const { api: asking, world } = simulated(() => token)
    const many = await Promise.all(Array.from({ length: 5 }, () => asking.get(1).catch(({ code }) => code)))
    expect(new Set(many)).toEqual(new Set(['PROVIDER_AUTH']))
    const before = cloud.requests.length
    await expect(asking.get(1)).rejects.toMatchObject({ code: 'PROVIDER_AUTH', class: 'wait' })
    expect(cloud.requests).toHaveLength(before)
    token = TOKEN
    expect(await asking.get(1)).toBeNull()
    token = 'revoked'
    await expect(asking.get(1)).rejects.toMatchObject({ code: 'PROVIDER_AUTH' })
    await world.clock.advance(5 * 60_000)
    const again = cloud.requests.length
    await expect(asking.get(1)).rejects.toMatchObject({ code: 'PROVIDER_AUTH' })
    expect(cloud.requests).toHaveLength(again + 1)
  })

  it('keeps the last tenth of the rate limit for creates and deletes, and is never refused for asking', async () => {
    const { api: asking, world } = simulated(() => TOKEN, 100)
    let refused = 0
    for (let index = 0; index < 150; index++) await asking.get(1).catch(() => (refused += 1))
    expect(refused).toBe(59)
    await asking.create(order('one'))
    await expect(asking.get(1)).rejects.toMatchObject({
      code: 'PROVIDER_UNAVAILABLE',
      retryAfterMs: expect.any(Number),
    })
    await world.clock.advance(60_000)
    expect(await asking.get(1)).toBeNull()
  })

  it('sends nothing for a while after it was refused for asking too much', async () => {
    const { api: asking, world } = simulated()
    cloud.faults.push({ on: /GET/, strike: no(429, 'rate_limit_exceeded'), times: 1 })
    await expect(asking.get(1)).rejects.toMatchObject({ status: 429 })
    await expect(asking.create(order('one'))).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' })
    expect(cloud.requests).toEqual(['GET /servers/1'])
    await world.clock.advance(16_000)
    await expect(asking.create(order('one'))).resolves.toMatchObject({ server: { name: 'one' } })
  })
})

describe('the ssh key of an installation', () => {
  it('is uploaded once, and found by its fingerprint whoever put it there', async () => {
    const id = await ensureKey(api(), 'i1', KEY)
    expect(await ensureKey(api(), 'i1', KEY)).toBe(id)
    expect(cloud.requests).toEqual(['GET /ssh_keys', 'POST /ssh_keys', 'GET /ssh_keys'])
    const fingerprint = fingerprintOf(KEY)
    const name = `tdf-i1-${fingerprint.replaceAll(':', '').slice(0, 8)}`
    expect(cloud.model.keys.get(id)).toMatchObject({ name, labels: { 'tdf-install': 'i1' }, fingerprint })
  })
  it('is found when the answer to its upload was lost', async () => {
    cloud.faults.push({ on: /POST \/ssh_keys/, strike: { kind: 'after', status: 504, code: 'timeout' }, times: 1 })
    await expect(ensureKey(api(), 'i1', KEY)).rejects.toMatchObject({ status: 504 })
    expect(await ensureKey(api(), 'i1', KEY)).toBe([...cloud.model.keys.keys()][0])
    cloud.faults.push({ on: /GET \/ssh_keys/, strike: { kind: 'empty' }, times: 1 })
    expect(await ensureKey(api(), 'i1', KEY)).toBe([...cloud.model.keys.keys()][0])
    expect(cloud.model.keys.size).toBe(1)
  })
})
