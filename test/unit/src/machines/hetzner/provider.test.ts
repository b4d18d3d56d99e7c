/** The provider over the model of the API: what it says of a machine, what it asks for, and when a machine is gone. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Node } from '../../../../../src/core/node.ts'
import { hetznerProvider } from '../../../../../src/machines/hetzner/provider.ts'
import type { Provider } from '../../../../../src/machines/provider.ts'
import { type FakeHetzner, fakeHetzner } from '../../../../fakes/hetzner/cloud.ts'
import { type SimWorld, simWorld, timeline } from '../../../../fakes/world.ts'
import { aConfig } from '../../../../support/builders.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'
import { CLIENT_KEY, CLOUD_TOKEN } from '../../../../support/machines/hetzner-machines.ts'

const INSTALL = 'inst0001'
const { signal } = new AbortController()
const exactly = { size: false, location: false }
let cloud: FakeHetzner
let world: SimWorld
let provider: Provider
/** What the provider said to the way that leads to a machine. */
let said: string[]
/** Every request with its query. */
let urls: string[]

beforeEach(() => {
  const time = timeline()
  urls = []
  world = simWorld(time, {
    fetch(input, init) {
      urls.push(String(input))
      return cloud.fetch(input, init)
    },
  })
  cloud = fakeHetzner({ now: () => time.now })
  said = []
  const { hetzner } = aConfig().providers
  provider = hetznerProvider({
    ...{ world, config: hetzner, installId: INSTALL, token: () => CLOUD_TOKEN, leaseMs: 3_600_000 },
    transport: {
      userData: async ({ name }) => `#cloud-config\nhostname: ${name}\n`,
      publicKey: async () => CLIENT_KEY,
      connect: () => Promise.reject(new Error('nothing is dialled here')),
      ...{ shell: () => null, isOutdated: () => false },
      hangUp: ({ name }) => void said.push(`hang up ${name}`),
      forget: ({ name }) => void said.push(`forget ${name}`),
    },
  })
})

const nodeOf = (name: string, change: Partial<Node> = {}): Node =>
  aNode({ provider: 'hetzner', name, autoProvisioned: true, address: null, status: 'creating', ...change })
const labels = (name: string) => ({ 'tdf-install': INSTALL, 'tdf-node': name })
const asked = (call: RegExp) => cloud.requests.filter(request => call.test(request)).length
const serverOf = (name: string) => {
  const server = cloud.byName(name)
  if (!server) throw new Error(`no server ${name}`)
  return server
}

/** Orders it, and answers the node with what was learnt. */
async function ordered(name: string, change: Partial<Node> = {}): Promise<Node> {
  const node = nodeOf(name, change)
  const { facts } = await provider.ensure(node, signal, exactly)
  return { ...node, facts: { ...node.facts, ...facts } }
}

/** A server that is made by hand, not by the provider. */
async function madeByHand(name: string, carries: Record<string, string>): Promise<void> {
  const body = JSON.stringify({ name, server_type: 'cx23', image: 'debian-13', location: 'nbg1', labels: carries })
  const headers = { authorization: `Bearer ${CLOUD_TOKEN}`, 'content-type': 'application/json' }
  await cloud.fetch('https://x.test/v1/servers', { method: 'POST', headers, body })
}

describe('what is said of a machine', () => {
  it('while it comes: its number, place and state, its size and what it costs', async () => {
    const node = nodeOf('one', { size: 'medium', location: 'nbg1' })
    const machine = await provider.ensure(node, signal, exactly)
    const { id, created } = serverOf('one')
    expect(machine).toEqual({
      state: 'coming',
      why: `server ${id} in nbg1, which is initializing`,
      facts: { serverId: String(id), billedFrom: created, actionId: expect.any(Number) },
      about: { size: 'medium', location: 'nbg1', pricePerHour: 0.01 },
    })
  })

  it('when it runs: its address', async () => {
    const node = await ordered('one')
    const lease = String((world.clock.now() + 3_600_000) / 1_000)
    expect(serverOf('one')).toMatchObject({ userData: '#cloud-config\nhostname: one\n' })
    expect(serverOf('one').labels).toEqual({ ...labels('one'), 'tdf-lease': lease })
    await world.clock.advance(20_000)
    const { address, id, created } = serverOf('one')
    expect(await provider.find(node, signal)).toEqual({
      ...{ state: 'up', address, facts: { serverId: String(id), billedFrom: created } },
      about: { size: 'small', location: 'fsn1', pricePerHour: 0.006 },
    })
  })

  it('when it could not be made: the words of the API', async () => {
    cloud.rules.fate = 'fails'
    const node = await ordered('one')
    expect(await provider.find(node, signal)).toMatchObject({ state: 'coming' })
    await world.clock.advance(6_000)
    const why = `Hetzner could not make server ${serverOf('one').id}: action_failed: Action failed`
    expect(await provider.find(node, signal)).toMatchObject({ state: 'failed', why })
  })

  it('when it is being deleted: that it failed', async () => {
    const node = await ordered('one')
    await world.clock.advance(5_000)
    const { id } = serverOf('one')
    serverOf('one').deletedAt = world.clock.now()
    expect(await provider.find(node, signal)).toMatchObject({
      ...{ state: 'failed', why: `server ${id} is being deleted`, facts: { serverId: String(id) } },
    })
  })

  it('when a server of others has its name: that it is not ours', async () => {
    await madeByHand('one', { ...labels('one'), 'tdf-install': 'other' })
    const why = `server ${serverOf('one').id} has its name and does not carry its labels`
    expect(await provider.find(nodeOf('one'), signal)).toEqual({ state: 'failed', why })
    expect(await provider.ensure(nodeOf('one'), signal, exactly)).toEqual({ state: 'failed', why })
  })
})

describe('the list of all machines', () => {
  it('is read once for all nodes that ask, and anew after five seconds', async () => {
    const nodes = [await ordered('one'), await ordered('two'), await ordered('three')]
    await world.clock.advance(5_000)
    const before = cloud.requests.length
    const look = () => Promise.all(nodes.map(node => provider.find(node, signal)))
    await look()
    await world.clock.advance(4_999)
    await look()
    expect(cloud.requests.slice(before).filter(call => call.includes('servers'))).toEqual(['GET /servers'])
    await world.clock.advance(1)
    await look()
    expect(cloud.requests.slice(before).filter(call => call.includes('servers'))).toHaveLength(2)
  })

  it('asks for the actions that are open in one request, and for none that is over', async () => {
    const nodes = [await ordered('one'), await ordered('two')]
    const look = async () => {
      await world.clock.advance(5_000)
      for (const node of nodes) await provider.find(node, signal)
    }
    await look()
    await look()
    expect(asked(/actions/)).toBe(1)
    await look()
    expect(asked(/actions/)).toBe(1)
  })

  it('asks for no more than fifty actions at once, which is a page of them', async () => {
    const nodes: Node[] = []
    for (let count = 0; count < 52; count++) nodes.push(await ordered(`n${count}`))
    await world.clock.advance(5_000)
    await Promise.all(nodes.map(node => provider.find(node, signal)))
    await world.clock.advance(5_000)
    await provider.find(nodes[0] as Node, signal)
    expect(urls.at(-1)?.match(/[?&]id=/g)).toHaveLength(50)
  })

  it('never stands for a server with another number: such a one is asked for by its own', async () => {
    const node = await ordered('one')
    await world.clock.advance(20_000)
    const before = cloud.requests.length
    expect(await provider.find({ ...node, facts: { serverId: '7' } }, signal)).toEqual({ state: 'gone' })
    expect(cloud.requests.slice(before)).toEqual(['GET /servers', 'GET /servers/7'])
  })

  it('knows a machine that was just made, without being read again', async () => {
    const node = await ordered('one')
    const before = cloud.requests.length
    expect(await provider.find(node, signal)).toMatchObject({ state: 'coming' })
    expect(cloud.requests.slice(before)).toEqual([])
  })

  it('says nothing more of a machine that was destroyed', async () => {
    const node = await ordered('one')
    await provider.destroy(node, signal)
    await world.clock.advance(4_000)
    expect(await provider.find(node, signal)).toEqual({ state: 'gone' })
  })
})

describe('the end of a machine', () => {
  it('is certain only when the API has no such server: until then it is asked again, and deleted once', async () => {
    const node = await ordered('one')
    expect(await provider.destroy(node, signal)).toBe(false)
    expect(await provider.destroy(node, signal)).toBe(false)
    expect([asked(/DELETE/), said.filter(words => words.startsWith('forget'))]).toEqual([1, []])
    await world.clock.advance(3_000)
    expect(await provider.destroy(node, signal)).toBe(true)
    expect([asked(/DELETE/), said.at(-1)]).toEqual([1, 'forget one'])
    expect(said.filter(words => words === 'hang up one')).toHaveLength(3)
  })

  it('is certain without a number only after it was absent for longer than a create can take', async () => {
    const node = nodeOf('one')
    const looks = async () => [(await provider.find(node, signal)).state, await provider.destroy(node, signal)]
    expect(await provider.find(node, signal)).toEqual({ state: 'coming', why: 'Hetzner to list it' })
    await world.clock.advance(64_999)
    expect(await looks()).toEqual(['coming', false])
    await world.clock.advance(1)
    expect(await looks()).toEqual(['gone', true])
    // It is over; a node of the same name would have its own time.
    expect(await looks()).toEqual(['coming', false])
  })

  it('leaves a server of others alone that has its name, and there never was one of ours', async () => {
    await madeByHand('one', {})
    expect(await provider.destroy(nodeOf('one'), signal)).toBe(true)
    expect([asked(/DELETE/), cloud.servers().length]).toEqual([0, 1])
  })

  it('is refused where a server of ours has lost its labels, with the advice to look by hand', async () => {
    const node = await ordered('one')
    serverOf('one').labels = { ...labels('two') }
    const message = `server ${serverOf('one').id} does not carry the labels of one; delete it by hand, if it is yours`
    await expect(provider.destroy(node, signal)).rejects.toMatchObject({ code: 'PROVIDER_REFUSED', message })
    expect(asked(/DELETE/)).toBe(0)
  })
})
