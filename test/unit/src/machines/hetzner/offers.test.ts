/** What is ordered where: preferences, refusals that count for all nodes, and the limit of the account. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { TdfError } from '../../../../../src/core/errors.ts'
import type { Node } from '../../../../../src/core/node.ts'
import type { MayVary, Provider } from '../../../../../src/machines/provider.ts'
import { no } from '../../../../fakes/hetzner/faults.ts'
import { type SimWorld, simWorld, timeline } from '../../../../fakes/world.ts'
import { aConfig } from '../../../../support/builders.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'
import { type HetznerMachines, hetznerMachines } from '../../../../support/machines/hetzner-machines.ts'

const MIN = 60_000
const { signal } = new AbortController()
const anything = { size: true, location: true }
const exactly = { size: false, location: false }
let world: SimWorld
let machines: HetznerMachines
let provider: Provider

beforeEach(() => {
  const time = timeline()
  world = simWorld(time, { fetch: (input, init) => machines.cloud.fetch(input, init) })
  machines = hetznerMachines({ clock: world.clock, deliver: async () => 200, isHome: () => true })
  provider = machines.provider(world, aConfig(), 'inst0001')
})

let number = 0
const aNew = (change: Partial<Node> = {}): Node =>
  aNode({ provider: 'hetzner', name: `n${number++}`, autoProvisioned: true, status: 'creating', ...change })
const full = (...offers: string[]) => {
  for (const offer of offers) machines.cloud.rules.capacity.set(offer, 0)
}
const order = (mayVary: MayVary, node = aNew()) => provider.ensure(node, signal, mayVary)
const refusal = (mayVary: MayVary, node = aNew()) =>
  order(mayVary, node).then(
    () => null,
    ({ code, message, retryAfterMs }: TdfError) => ({ code, message, retryAfterMs }),
  )
const made = () => machines.cloud.servers().map(({ type, location }) => `${type}/${location}`)
const orders = () => machines.cloud.requests.filter(call => call === 'POST /servers').length

describe('where there is no room', () => {
  it('the same size is ordered elsewhere, then a larger one, from the first place on', async () => {
    full('cx23/fsn1', 'cx23/nbg1', 'cx23/hel1', 'cx33/fsn1')
    await order(anything)
    expect([made(), orders()]).toEqual([['cx33/nbg1'], 5])
  })

  it('a wish for size or place is kept: only what is a default varies', async () => {
    full('cx33/nbg1')
    const node = { size: 'medium', location: 'nbg1' }
    const message = expect.stringContaining('no machine to be had as cx33/nbg1: ')
    expect(await refusal(exactly, aNew(node))).toMatchObject({ code: 'CAPACITY', message })
    await order({ size: false, location: true }, aNew(node))
    await order({ size: true, location: false }, aNew(node))
    expect(made()).toEqual(['cx33/fsn1', 'cx43/nbg1'])
  })

  it('is asked again after one minute, then two, four, eight, and never more seldom than each fifteen', async () => {
    full('cx23/fsn1')
    const pauses: number[] = []
    for (let index = 0; index < 6; index++) {
      const { retryAfterMs } = (await refusal(exactly)) as { retryAfterMs: number }
      pauses.push(retryAfterMs / MIN)
      await world.clock.advance(retryAfterMs - 1)
      expect(await refusal(exactly)).toMatchObject({ code: 'CAPACITY', retryAfterMs: 1 })
      await world.clock.advance(1)
    }
    expect([pauses, orders()]).toEqual([[1, 2, 4, 8, 15, 15], 6])
  })

  it('one node finds out for all whether there is room again, and then it is as if nothing had been', async () => {
    full('cx23/fsn1')
    await refusal(exactly)
    await world.clock.advance(MIN)
    machines.cloud.rules.capacity.clear()
    const [first, ...others] = await Promise.all([refusal(exactly), refusal(exactly), refusal(exactly)])
    expect([first, others.map(other => other?.code)]).toEqual([null, ['CAPACITY', 'CAPACITY']])
    expect(orders()).toBe(2)
    expect(await refusal(exactly)).toBeNull()
    full('cx23/fsn1')
    expect(await refusal(exactly)).toMatchObject({ retryAfterMs: MIN })
  })

  it('an offer that another node has just found full is not tried again by one that comes to it later', async () => {
    full('cx23/fsn1', 'cx23/nbg1', 'cx23/hel1')
    const anywhere = { size: false, location: true }
    await refusal(anywhere)
    await world.clock.advance(MIN)
    await Promise.all([refusal(anywhere), refusal(anywhere)])
    expect(orders()).toBe(6)
  })

  it('the words of each refusal are said once, and no room counts before an order that is refused', async () => {
    machines.cloud.rules.unsupported.add('cx23/hel1')
    full('cx23/fsn1', 'cx23/nbg1')
    machines.cloud.faults.push({ on: /POST \/servers/, strike: no(422, 'invalid_input', 'no such image'), times: 1 })
    const { code, message } = (await refusal({ size: false, location: true })) as { code: string; message: string }
    expect([code, message.match(/error during placement/g)?.length, message.match(/no such image/g)?.length]).toEqual([
      'CAPACITY',
      1,
      1,
    ])
    expect(message).toContain('as cx23/fsn1, cx23/nbg1, cx23/hel1: ')
  })
})

it('an order that is refused for itself alone is no lack of room', async () => {
  machines.cloud.faults.push({ on: /POST \/servers/, strike: no(422, 'invalid_input', 'no such image'), times: 1 })
  expect(await refusal(exactly)).toMatchObject({ code: 'PROVIDER_REFUSED', retryAfterMs: MIN })
})

it('a size that is not in the configuration any more is named', async () => {
  const message = 'size huge is not in [providers.hetzner] sizes any more'
  expect(await refusal(exactly, aNew({ size: 'huge' }))).toMatchObject({ code: 'PROVIDER_REFUSED', message })
  expect(orders()).toBe(0)
})

it('an endpoint without orders is no lack of room: nothing else is tried', async () => {
  const text = '<html>Not Found</html>'
  machines.cloud.faults.push({
    on: /POST \/servers/,
    strike: { kind: 'garbage', status: 404, text, done: false },
    times: 9,
  })
  const message = expect.stringContaining('is [providers.hetzner] endpoint right?')
  expect(await refusal(anything)).toMatchObject({ code: 'PROVIDER_REFUSED', message })
  expect(orders()).toBe(1)
})

it('a create that was done after all is taken up at once, by its name', async () => {
  machines.cloud.faults.push(
    { on: /POST \/servers/, strike: { kind: 'after', status: 500, code: 'server_error' }, times: 1 },
    { on: /GET \/servers$/, strike: { kind: 'empty' }, times: 4 },
  )
  const node = aNew()
  expect(await refusal(exactly, node)).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' })
  await world.clock.advance(5_000)
  expect(await order(exactly, node)).toMatchObject({ state: 'coming', facts: { serverId: expect.any(String) } })
  expect([orders(), made().length]).toEqual([2, 1])
})

it('a name that is taken by a server that is not listed yet is asked for again', async () => {
  machines.cloud.faults.push({ on: /POST \/servers/, strike: no(409, 'uniqueness_error', 'name is used'), times: 1 })
  const message = expect.stringMatching(/name is used.*, and yet no server of that name is listed$/)
  expect(await refusal(exactly)).toMatchObject({ code: 'PROVIDER_UNAVAILABLE', message })
})

it('an answer that says nothing of room leaves every offer open', async () => {
  machines.cloud.faults.push({ on: /POST \/servers/, strike: no(503, 'unavailable'), times: 1 })
  expect(await refusal(anything)).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' })
  await order(exactly)
  expect([made(), orders()]).toEqual([['cx23/fsn1'], 2])
})

it('the ssh key is uploaded again when it was deleted in the project', async () => {
  await order(exactly)
  machines.cloud.model.keys.clear()
  const message = expect.stringContaining('404 not_found to POST /servers: ssh key not found')
  expect(await refusal(exactly)).toMatchObject({ code: 'PROVIDER_REFUSED', message })
  await world.clock.advance(MIN)
  expect(await refusal(exactly)).toBeNull()
  expect(machines.cloud.model.keys.size).toBe(1)
})

describe('an account at its limit', () => {
  const atLimit = async () => {
    machines.cloud.rules.serverLimit = 1
    await order(exactly)
    return refusal(exactly)
  }

  it('is asked again after five minutes, by one node for all', async () => {
    expect(await atLimit()).toMatchObject({ code: 'PROVIDER_LIMIT', retryAfterMs: 5 * MIN })
    await world.clock.advance(5 * MIN - 1)
    expect(await refusal(anything)).toMatchObject({ code: 'PROVIDER_LIMIT', retryAfterMs: 1 })
    expect(orders()).toBe(2)
    await world.clock.advance(1)
    const both = await Promise.all([refusal(anything), refusal(anything)])
    expect(both).toMatchObject([{ retryAfterMs: 5 * MIN }, { retryAfterMs: 30_000 }])
    expect(orders()).toBe(3)
  })

  it('is asked at once when a machine of ours has gone, or when an order came through', async () => {
    await atLimit()
    const [server] = machines.cloud.servers()
    const node = aNew({ name: server?.name ?? '', facts: { serverId: String(server?.id) } })
    await provider.destroy(node, signal)
    await world.clock.advance(10_000)
    expect(await refusal(exactly)).toMatchObject({ code: 'PROVIDER_LIMIT' })
    expect(await provider.destroy(node, signal)).toBe(true)
    expect(await refusal(exactly)).toBeNull()
  })

  it('is forgotten once an order came through', async () => {
    await atLimit()
    machines.cloud.rules.serverLimit = 100
    await world.clock.advance(5 * MIN)
    expect(await refusal(exactly)).toBeNull()
    expect(await refusal(exactly)).toBeNull()
  })
})
