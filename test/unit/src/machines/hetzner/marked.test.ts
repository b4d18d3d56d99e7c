/** Servers that carry the mark of an installation: leases are renewed, and what is expired is ended and nothing else. */
import { beforeEach, describe, expect, it } from 'vitest'
import { hetznerApi } from '../../../../../src/machines/hetzner/api.ts'
import { hetznerClient } from '../../../../../src/machines/hetzner/client.ts'
import { markedFleet } from '../../../../../src/machines/hetzner/marked.ts'
import { type Reaped, reap, reapKeys } from '../../../../../src/machines/hetzner/reap.ts'
import type { MarkedFleet } from '../../../../../src/machines/provider.ts'
import { type FakeHetzner, fakeHetzner } from '../../../../fakes/hetzner/cloud.ts'
import { no } from '../../../../fakes/hetzner/faults.ts'
import type { FakeServer } from '../../../../fakes/hetzner/model.ts'
import { type SimWorld, simWorld, timeline } from '../../../../fakes/world.ts'
import { aConfig } from '../../../../support/builders.ts'
import { CLOUD_TOKEN } from '../../../../support/machines/hetzner-machines.ts'

const HOUR = 3_600_000
const INSTALL = 'inst0001'
const config = aConfig().providers.hetzner
const { signal } = new AbortController()
let cloud: FakeHetzner
let world: SimWorld
let fleet: MarkedFleet

beforeEach(() => {
  const time = timeline()
  world = simWorld(time, { fetch: (input, init) => cloud.fetch(input, init) })
  cloud = fakeHetzner({ now: () => time.now })
  const api = hetznerApi(hetznerClient({ world, endpoint: config.endpoint, token: () => CLOUD_TOKEN }))
  fleet = markedFleet({ api, installId: INSTALL, config })
})

const seconds = (at: number) => String(at / 1_000)

/** A server with our mark, and whatever else its labels say. */
async function server(name: string, labels: Record<string, string> = {}): Promise<FakeServer> {
  const carries = { 'tdf-install': INSTALL, 'tdf-node': name, ...labels }
  const body = JSON.stringify({ name, labels: carries, server_type: 'cx33', image: 'debian-13', location: 'hel1' })
  const headers = { authorization: `Bearer ${CLOUD_TOKEN}`, 'content-type': 'application/json' }
  await cloud.fetch('https://x.test/v1/servers', { method: 'POST', headers, body })
  const made = cloud.byName(name)
  if (!made) throw new Error(`no server ${name}`)
  return made
}

const marked = async (name: string) => {
  const found = (await fleet.list(signal)).find(({ nodeName }) => nodeName === name)
  if (!found) throw new Error(`${name} is not listed`)
  return found
}
const deletions = () => cloud.requests.filter(call => call.startsWith('DELETE')).length

describe('the list', () => {
  it('says of each what it is, and leaves out what goes already', async () => {
    const leaseUntil = world.clock.now() + HOUR
    const { id, created, address } = await server('one', { 'tdf-lease': seconds(leaseUntil) })
    const going = await server('two')
    going.deletedAt = world.clock.now()
    expect(await fleet.list(signal)).toEqual([
      {
        ...{ nodeName: 'one', id: String(id), address, createdAt: created, leaseUntil },
        ...{ size: 'medium', location: 'hel1', pricePerHour: 0.01 },
      },
    ])
  })

  it.each(['', 'soon', '17e9', '-1', '1234567890123'])('a lease that says "%s" is none', async lease => {
    const one = await server('one')
    one.labels['tdf-lease'] = lease
    expect(await marked('one')).toMatchObject({ leaseUntil: null })
  })
})

describe('a lease', () => {
  it('is renewed in whole seconds, rounded up, and what others have written stays', async () => {
    const one = await server('one', { 'tdf-lease': '5', team: 'a' })
    const machine = await marked('one')
    one.labels.later = 'b'
    await fleet.renew(machine, 1_900_000_000_001, signal)
    const labels = { 'tdf-install': INSTALL, 'tdf-node': 'one', 'tdf-lease': '1900000001', team: 'a', later: 'b' }
    expect(cloud.byName('one')?.labels).toEqual(labels)
  })

  it('is not renewed where the server is gone, or carries the mark of others by now', async () => {
    const one = await server('one')
    const machine = await marked('one')
    one.labels['tdf-node'] = 'two'
    await fleet.renew(machine, 1_900_000_000_000, signal)
    cloud.vanish('one')
    await fleet.renew(machine, 1_900_000_000_000, signal)
    expect(cloud.requests.filter(call => call.startsWith('PUT'))).toEqual([])
  })
})

describe('a removal', () => {
  it('is done in the same call where the server goes at once', async () => {
    await server('one')
    cloud.model.deleteMs = 0
    expect(await fleet.remove(await marked('one'), signal)).toBe(true)
    expect(cloud.servers()).toEqual([])
  })

  it('is done when the server is gone, and asked for once', async () => {
    await server('one')
    const machine = await marked('one')
    expect(await fleet.remove(machine, signal)).toBe(false)
    expect(await fleet.remove(machine, signal)).toBe(false)
    await world.clock.advance(5_000)
    expect(await fleet.remove(machine, signal)).toBe(true)
    expect(deletions()).toBe(1)
  })

  it.each([
    ['its lease was renewed', { 'tdf-lease': '1900000000' }],
    ['it became another node', { 'tdf-node': 'two' }],
    ['it went to another installation', { 'tdf-install': 'inst0002' }],
  ])('is refused where %s since it was listed', async (_, labels) => {
    const one = await server('one', { 'tdf-lease': '5' })
    const machine = await marked('one')
    Object.assign(one.labels, labels)
    const message = `server ${one.id} is in use again: its labels have changed since it was listed`
    await expect(fleet.remove(machine, signal)).rejects.toMatchObject({ code: 'PROVIDER_REFUSED', message })
    expect(deletions()).toBe(0)
  })
})

describe('the keys of an installation', () => {
  const KEYS = ['ssh-ed25519 AAAA of-ours', 'ssh-ed25519 BBBB of-another']
  const keys = () => [...cloud.model.keys.values()].map(({ name }) => name)
  const reaped = (dryRun = false) =>
    reapKeys({ world, config, token: () => CLOUD_TOKEN, installId: INSTALL, dryRun }, signal)
  beforeEach(async () => {
    const api = hetznerApi(hetznerClient({ world, endpoint: config.endpoint, token: () => CLOUD_TOKEN }))
    for (const [at, install] of [INSTALL, 'inst0002'].entries()) {
      await api.addKey(`key of ${install}`, KEYS[at] ?? '', { 'tdf-install': install })
    }
  })

  it('go once no server carries its mark any more, and no others do', async () => {
    await server('one')
    expect(await reaped()).toEqual([])
    cloud.vanish('one')
    const [ours, another] = [`key of ${INSTALL}`, 'key of inst0002']
    expect([await reaped(true), keys()]).toEqual([[ours], [ours, another]])
    expect([await reaped(), keys()]).toEqual([[ours], [another]])
  })
})

describe('reaping', () => {
  async function reaped(dryRun = false): Promise<Pick<Reaped, 'nodeName' | 'outcome' | 'reason'>[]> {
    let done: Reaped[] | undefined
    const options = { world, config, token: () => CLOUD_TOKEN, installId: INSTALL, dryRun }
    const ending = reap(options, signal).then(all => (done = all))
    await world.run(() => done !== undefined, HOUR)
    await ending
    return (done ?? []).map(({ nodeName, outcome, reason }) => ({ nodeName, outcome, reason }))
  }
  const expired = (name: string) => server(name, { 'tdf-lease': seconds(world.clock.now() - 1_000) })

  it('ends what is expired, keeps what has time left, and names what says nothing of its lease', async () => {
    await expired('old')
    await server('young', { 'tdf-lease': seconds(world.clock.now() + 1_000) })
    await server('silent')
    const silent = { nodeName: 'silent', outcome: 'kept', reason: 'it says nothing of its lease' }
    expect(await reaped(true)).toEqual([{ nodeName: 'old', outcome: 'expired', reason: null }, silent])
    expect(deletions()).toBe(0)
    expect(await reaped()).toEqual([{ nodeName: 'old', outcome: 'removed', reason: null }, silent])
    expect(cloud.servers().map(({ name }) => name)).toEqual(['young', 'silent'])
  })

  it('a lease that ends this moment is over', async () => {
    await server('old', { 'tdf-lease': seconds(world.clock.now()) })
    expect(await reaped()).toMatchObject([{ outcome: 'removed' }])
  })

  it('one that cannot be removed says why and keeps no other', async () => {
    await expired('one')
    await expired('two')
    cloud.faults.push({ on: /DELETE/, strike: no(423, 'protected', 'server is protected'), times: 1 })
    const reason = expect.stringContaining('server is protected')
    expect(await reaped()).toEqual([
      { nodeName: 'one', outcome: 'failed', reason },
      { nodeName: 'two', outcome: 'removed', reason: null },
    ])
  })

  it('one that takes more than a minute to go is said to be going', async () => {
    await expired('one')
    cloud.model.deleteMs = HOUR
    const begun = world.clock.now()
    expect(await reaped()).toEqual([{ nodeName: 'one', outcome: 'going', reason: null }])
    expect(world.clock.now() - begun).toBe(60_000)
  })

  it('ends at once when its caller has gone', async () => {
    await expired('one')
    cloud.model.deleteMs = HOUR
    const caller = new AbortController()
    const options = { world, config, token: () => CLOUD_TOKEN, installId: INSTALL, dryRun: false }
    const ending = reap(options, caller.signal).catch((thrown: Error) => thrown.message)
    await world.settle()
    caller.abort(new Error('interrupted'))
    expect(await ending).toBe('interrupted')
  })
})
