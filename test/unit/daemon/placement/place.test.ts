import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  accountsOf,
  assign,
  mayGoOn,
  type NodeCapacity,
  type PlacementLimits,
  type PlacementRequest,
  rejection,
} from '../../../../daemon/placement/place.ts'
import { doneBy } from '../../../../src/core/task.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'

const request = (number: number, change: Partial<PlacementRequest> = {}): PlacementRequest => ({
  ...{
    id: `t${number}`,
    attempt: 1,
    priority: 0,
    number,
    node: null,
    provider: null,
    size: null,
    location: null,
    credential: null,
    labels: {},
    reserved: null,
  },
  ...change,
})
const room = (name: string, change: Partial<NodeCapacity> = {}): NodeCapacity => ({
  ...{ name, provider: 'static', status: 'ready', size: null, location: null, used: 0, slots: 3 },
  ...{ cpuPercent: 10, memoryPercent: 10, silentMs: 1_000 },
  ...change,
})
const placing = (change: Partial<PlacementLimits> = {}): PlacementLimits => ({
  config: aConfig(),
  offers: [],
  machines: 0,
  ...change,
})
const hetzner = {
  provider: 'hetzner',
  sizes: ['small', 'medium', 'large'],
  locations: ['fsn1', 'nbg1'],
  slots: 3,
} as const
const given = (requests: PlacementRequest[], rooms: NodeCapacity[], change?: Partial<PlacementLimits>) =>
  assign(requests, rooms, placing(change)).reservations.map(({ request: { id }, node }) => `${id}@${node}`)

describe('placement', () => {
  it('fills the slots that there are, and no more', () => {
    expect(
      given(
        [1, 2, 3, 4, 5].map(n => request(n)),
        [room('a', { used: 1 }), room('b', { slots: 1 })],
      ),
    ).toHaveLength(3)
  })
  it('does not let a task that cannot fit block those behind it', () => {
    expect(given([request(1, { node: 'full' }), request(2)], [room('full', { used: 3 }), room('b')])).toEqual(['t2@b'])
  })
  it('never falls back from a node that was asked for', () => {
    expect(given([request(1, { node: 'a' })], [room('a', { status: 'lost' }), room('b')])).toEqual([])
  })
  it.each([
    ['a warm node before a ready one', [room('a'), room('b', { status: 'warm' })], {}, 'b'],
    ['a ready node before one on its way', [room('a', { status: 'booting' }), room('b')], {}, 'b'],
    [
      'the location that was asked for',
      [room('a', { location: null }), room('b', { location: 'nbg1' })],
      { location: 'nbg1' },
      'b',
    ],
    [
      'the smallest size that fits',
      [room('a', { size: 'large' }), room('b', { size: 'medium' })],
      { size: 'medium' },
      'b',
    ],
    [
      'the least loaded, memory before processor',
      [room('a', { cpuPercent: 10, memoryPercent: 40 }), room('b', { cpuPercent: 40, memoryPercent: 10 })],
      {},
      'b',
    ],
    ['the emptier of two alike', [room('a', { used: 2 }), room('b', { used: 1 })], {}, 'b'],
  ] as const)('prefers %s', (_, rooms, change, node) => {
    expect(given([request(1, change)], [...rooms])).toEqual([`t1@${node}`])
  })

  it.each([
    ['another node was asked for', { node: 'z' }, {}, 'the task asked for node z'],
    ['another provider was asked for', { provider: 'local' }, {}, 'the task asked for provider local'],
    ['it is elsewhere', { location: 'nbg1' }, { location: 'fsn1' }, 'it is in fsn1, the task asked for nbg1'],
    ['it is too small', { size: 'large' }, { size: 'small' }, 'its size is small, the task asked for large'],
    ['it takes no work', {}, { status: 'draining' }, 'it is draining'],
    ['it has not been heard of', {}, { silentMs: 61_000 }, 'its last heartbeat was 61 s ago'],
    [
      'its processors are busy',
      {},
      { cpuPercent: 50 },
      'its processors are 50 % busy, the limit is 50 % (cpu_threshold_percent)',
    ],
    [
      'its memory is full',
      {},
      { memoryPercent: 73 },
      'its memory is 73 % full, the limit is 50 % (memory_threshold_percent)',
    ],
    ['its slots are taken', {}, { used: 3 }, '3 of 3 slots are in use'],
  ] as const)('says that a node does not take a task because %s', (_, change, state, says) => {
    expect(rejection(request(1, change), room('a', state), aConfig())).toBe(says)
  })
  it('takes a node that says nothing of its load, and this machine whatever its load', () => {
    expect(rejection(request(1), room('a', { cpuPercent: null, memoryPercent: null }), aConfig())).toBeNull()
    expect(rejection(request(1), room('local', { provider: 'local', cpuPercent: 99 }), aConfig())).toBeNull()
  })

  it('orders no more machines than a burst needs', () => {
    const { orders } = assign(
      [1, 2, 3, 4, 5, 6, 7].map(n => request(n)),
      [],
      placing({ offers: [hetzner] }),
    )
    expect(orders.map(({ requests: wishes }) => wishes.length)).toEqual([3, 3, 1])
  })
  it('orders no more machines than max_nodes allows', () => {
    const wishes = Array.from({ length: 50 }, (_, n) => request(n))
    expect(assign(wishes, [], placing({ offers: [hetzner], machines: 8 })).orders).toHaveLength(2)
    expect(assign(wishes, [], placing({ offers: [hetzner], machines: 10 })).orders).toHaveLength(0)
  })
  it('orders nothing while a machine on its way has room', () => {
    const { orders, reservations } = assign(
      [request(1), request(2)],
      [room('new', { status: 'ordered', used: 1, silentMs: null })],
      placing({ offers: [hetzner] }),
    )
    expect([orders.length, reservations.length]).toEqual([0, 2])
  })
  it('orders what was asked for, else the first of each', () => {
    const { orders } = assign(
      [request(1, { size: 'large', location: 'nbg1' }), request(2)],
      [],
      placing({ offers: [hetzner] }),
    )
    expect(orders).toMatchObject([{ size: 'large', location: 'nbg1', requests: [{ id: 't1' }, { id: 't2' }] }])
    expect(assign([request(2)], [], placing({ offers: [hetzner] })).orders).toMatchObject([
      { size: 'small', location: 'fsn1' },
    ])
  })
  it('prefers a node that is known to be where the task wants to be, and one whose load is known', () => {
    const here = room('z', { location: 'fsn1' })
    expect(given([request(1, { location: 'fsn1' })], [room('a'), here])).toEqual(['t1@z'])
    expect(given([request(1, { location: 'fsn1' })], [here, room('a')])).toEqual(['t1@z'])
    expect(given([request(1)], [room('b'), room('a')])).toEqual(['t1@a'])
    const silent = { cpuPercent: null, memoryPercent: null }
    expect(given([request(1)], [room('a', silent), room('b')])).toEqual(['t1@b'])
  })

  it('gives no slot on a node whose answers could not be read', () => {
    const suspect = room('a', { suspect: 'it sent no JSON' })
    expect(given([request(1)], [suspect])).toEqual([])
    expect(rejection(request(1), suspect, aConfig())).toContain('it sent no JSON')
  })

  it('puts tasks on one order only where each is served by it, and orders no more than it may', () => {
    const queue = [request(1, { location: 'fsn1' }), request(2, { location: 'nbg1' }), request(3, { location: 'fsn1' })]
    const { orders } = assign(queue, [], placing({ offers: [hetzner], config: aConfig({ nodes: { maxNodes: 2 } }) }))
    expect(orders.map(({ location, requests }) => [location, requests.map(({ id }) => id)])).toEqual([
      ['fsn1', ['t1', 't3']],
      ['nbg1', ['t2']],
    ])
    const one = assign(queue, [], placing({ offers: [hetzner], config: aConfig({ nodes: { maxNodes: 1 } }) }))
    expect(one.orders.map(({ requests }) => requests.length)).toEqual([2])
  })

  it('moves a task from a machine that is to come to a slot that is free, and gives its place there to the next', () => {
    const coming = room('new', { status: 'creating', used: 1, slots: 1, silentMs: null })
    const queue = [request(1, { reserved: 'new' }), request(2)]
    expect(given(queue, [coming, room('a', { used: 2 })])).toEqual(['t1@a', 't2@new'])
  })
  it('leaves a task where it is reserved while there is no slot that can be used now, and orders nothing for it', () => {
    const coming = ['new', 'newer'].map(name =>
      room(name, { status: 'ordered', used: name === 'new' ? 1 : 0, slots: 2, silentMs: null }),
    )
    const { reservations, orders } = assign([request(1, { reserved: 'new' })], coming, placing({ offers: [hetzner] }))
    expect([reservations, orders]).toEqual([[], []])
  })
  it('lets the one that comes first in the queue have the free slot, wherever the other is reserved', () => {
    const coming = room('new', { status: 'creating', used: 1, slots: 1, silentMs: null })
    expect(given([request(1), request(2, { reserved: 'new' })], [coming, room('a', { used: 2 })])).toEqual(['t1@a'])
  })
  it('orders nothing for a task that named its node, or a size or place that nobody offers', () => {
    const wishes = [
      request(1, { node: 'a' }),
      request(2, { size: 'huge' }),
      request(3, { location: 'mars' }),
      request(4, { provider: 'static' }),
    ]
    expect(assign(wishes, [], placing({ offers: [hetzner] })).orders).toEqual([])
  })

  it('never gives more slots than there are when tasks move, and moves them only to slots that are there', () => {
    const rooms = fc.array(
      fc.record({ used: fc.nat(2), slots: fc.nat(3), status: fc.constantFrom('ready', 'warm', 'creating', 'lost') }),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(rooms, fc.array(fc.option(fc.nat(4)), { maxLength: 8 }), (shapes, places) => {
        const wishes = places.map((at, n) => request(n, { reserved: at === null ? null : `n${at % shapes.length}` }))
        const all = shapes.map((shape, index) => {
          const name = `n${index}`
          const held = wishes.filter(({ reserved }) => reserved === name).length
          const status = held > 0 ? 'creating' : (shape.status as NodeCapacity['status'])
          return room(name, { status, slots: shape.slots + held, used: shape.used + held, silentMs: null })
        })
        const { reservations } = assign(wishes, all, placing())
        for (const { name, used, slots } of all) {
          const came = reservations.filter(({ node }) => node === name).length
          const went = reservations.filter(({ request: { reserved } }) => reserved === name).length
          expect(used + came - went).toBeLessThanOrEqual(Math.max(slots, used))
        }
        for (const { request: moved, node } of reservations) {
          const to = all.find(({ name }) => name === node)
          if (moved.reserved !== null) expect(['ready', 'warm']).toContain(to?.status)
        }
        expect(new Set(reservations.map(({ request: { id } }) => id)).size).toBe(reservations.length)
      }),
    )
  })

  it('takes nodes that are alike by their names, whatever their order', () => {
    expect(given([request(1)], [room('b'), room('a')])).toEqual(['t1@a'])
    expect(given([request(1)], [room('a'), room('b')])).toEqual(['t1@a'])
  })

  it('weighs the use of slots by their number, and the processor as well as the memory', () => {
    expect(given([request(1)], [room('a', { used: 2, slots: 6 }), room('b', { used: 1, slots: 2 })])).toEqual(['t1@a'])
    expect(given([request(1)], [room('a', { cpuPercent: 40 }), room('b')])).toEqual(['t1@b'])
    expect(given([request(1)], [room('a', { memoryPercent: 40 }), room('b')])).toEqual(['t1@b'])
    const a = room('a', { cpuPercent: 30, memoryPercent: 10 })
    expect(given([request(1)], [a, room('b', { cpuPercent: 10, memoryPercent: 30 })])).toEqual(['t1@a'])
  })

  it('takes a node up to its limits and no further, and has no limit at 100 %', () => {
    const says = (state: Partial<NodeCapacity>, nodes = {}) =>
      rejection(request(1), room('a', state), aConfig({ nodes }))
    expect(says({ cpuPercent: 49.9, memoryPercent: 49.9 })).toBeNull()
    expect(says({ memoryPercent: 50 })).toBe('its memory is 50 % full, the limit is 50 % (memory_threshold_percent)')
    expect(says({ cpuPercent: 100 }, { cpuThresholdPercent: 100 })).toBeNull()
    expect(says({ silentMs: 60_000 })).toBeNull()
    expect(says({ silentMs: null })).toBeNull()
    expect(says({ used: 4 })).toBe('4 of 3 slots are in use')
  })

  it('takes a node for what it was asked for, and for less', () => {
    const takes = (change: Partial<PlacementRequest>, state: Partial<NodeCapacity>) =>
      rejection(request(1, change), room('a', state), aConfig()) === null
    expect(takes({ node: 'a', provider: 'static', location: 'fsn1' }, { location: 'fsn1' })).toBe(true)
    expect(takes({ location: 'fsn1' }, { location: null })).toBe(true)
    expect(takes({ size: 'medium' }, { size: 'medium' })).toBe(true)
    expect(takes({ size: 'small' }, { size: 'large' })).toBe(true)
    expect(takes({ size: 'small' }, { size: 'of its own' })).toBe(true)
    expect(takes({ size: 'medium' }, { size: 'of its own' })).toBe(false)
    expect(takes({ size: 'medium' }, { size: null })).toBe(false)
  })

  it('orders from whoever was asked for, of the first that can where none was', () => {
    const other = { provider: 'static', sizes: ['small'], locations: ['here'], slots: 2 } as const
    const made = (wishes: Partial<PlacementRequest>[], offers: PlacementLimits['offers']) =>
      assign(
        wishes.map((wish, n) => request(n, wish)),
        [],
        placing({ offers }),
      ).orders.map(({ provider, size, location, slots, requests }) => [
        provider,
        size,
        location,
        slots,
        requests.length,
      ])
    const both = made([{ provider: 'hetzner' }, { provider: 'static' }, {}], [other, hetzner])
    expect(both).toEqual([
      ['hetzner', 'small', 'fsn1', 3, 1],
      ['static', 'small', 'here', 2, 2],
    ])
    expect(made([{ size: 'large' }], [other, hetzner])).toEqual([['hetzner', 'large', 'fsn1', 3, 1]])
    expect(made([{ location: 'nbg1' }], [other, hetzner])).toEqual([['hetzner', 'small', 'nbg1', 3, 1]])
    expect(
      made(
        [{}],
        [
          { ...hetzner, sizes: [] },
          { ...hetzner, locations: [] },
        ],
      ),
    ).toEqual([])
  })

  it('puts a task on the order of a larger machine, never on that of a smaller one', () => {
    const made = (...sizes: (string | null)[]) =>
      assign(
        sizes.map((size, n) => request(n, { size })),
        [],
        placing({ offers: [hetzner] }),
      ).orders.map(({ size, requests }) => [size, requests.length])
    expect(made('large', 'small', null)).toEqual([['large', 3]])
    expect(made('small', 'large')).toEqual([
      ['small', 1],
      ['large', 1],
    ])
    expect(made('medium', 'medium')).toEqual([['medium', 2]])
  })

  it('reads no more of the queue than there is room for', () => {
    const read = (rooms: NodeCapacity[], change: Partial<PlacementLimits> = {}) => {
      let count = 0
      const queue = {
        *[Symbol.iterator]() {
          for (; count < 10_000; count++) yield request(count)
        },
      }
      assign(queue as unknown as PlacementRequest[], rooms, placing(change))
      return count
    }
    expect(read([room('a', { used: 1 })])).toBe(2)
    expect(read([])).toBe(0)
    expect(read([], { offers: [hetzner], machines: 9 })).toBe(3)
  })

  it('counts a node that does not report its load as full', () => {
    const silent = room('a', { cpuPercent: null, memoryPercent: null })
    expect(given([request(1)], [silent, room('b', { cpuPercent: 40, memoryPercent: 40 })])).toEqual(['t1@b'])
  })

  it('gives no work to a node whose answer was not taken', () => {
    const suspect = room('a', { suspect: 'its answer is too large' })
    expect(given([request(1)], [suspect])).toEqual([])
    expect(rejection(request(1), suspect, aConfig())).toContain('its answer is too large')
  })

  it('orders a machine of its own for a task whose location the open order has not', () => {
    const here = (number: number, location: string) => request(number, { location })
    const { orders } = assign([here(1, 'fsn1'), here(2, 'nbg1'), here(3, 'fsn1')], [], placing({ offers: [hetzner] }))
    expect(orders.map(({ location, requests }) => [location, requests.length])).toEqual([
      ['fsn1', 2],
      ['nbg1', 1],
    ])
  })

  it('orders nothing beyond max_nodes, whoever offers it', () => {
    const config = aConfig({ nodes: { maxNodes: 1 } })
    const small = room('a', { size: 'small' })
    const offers = [hetzner, hetzner]
    const { orders } = assign([request(1, { size: 'large' })], [small], placing({ config, machines: 1, offers }))
    expect(orders).toEqual([])
  })

  it('never gives more slots than there are, and never leaves a slot and a task that fits it alone', () => {
    const rooms = fc.array(
      fc.record({ used: fc.nat(3), slots: fc.nat(3), status: fc.constantFrom('ready', 'warm', 'lost') }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(rooms, fc.nat(12), (shapes, count) => {
        const all = shapes.map((shape, index) =>
          room(`n${index}`, { ...shape, status: shape.status as NodeCapacity['status'] }),
        )
        const { reservations } = assign(
          Array.from({ length: count }, (_, n) => request(n)),
          all,
          placing(),
        )
        const free = all
          .filter(({ status }) => status !== 'lost')
          .reduce((sum, { used, slots }) => sum + Math.max(slots - used, 0), 0)
        expect(reservations).toHaveLength(Math.min(free, count))
        for (const { name, used, slots } of all) {
          const taken = reservations.filter(({ node }) => node === name).length
          expect(taken).toBeLessThanOrEqual(Math.max(slots - used, 0))
        }
        expect(reservations.map(({ request: { number } }) => number)).toEqual(reservations.map((_, index) => index))
      }),
    )
  })
})

describe('an account that is at its limit', () => {
  const limits = new Map([
    ['claude', 100],
    ['codex', 50],
  ])
  const may = (credential: string | null, others?: (string | null)[]) =>
    mayGoOn({ credential, ...(others ? { fallback: { credentials: others, afterMs: 30 } } : {}) }, limits, 60)

  it('keeps its tasks from a slot, but for those that another agent does meanwhile', () => {
    expect([may(null), may('other'), may('claude')]).toEqual([true, true, false])
    expect([may('claude', ['codex']), may('claude', ['codex', 'free']), may('claude', [null])]).toEqual([
      ...[false, true, true],
    ])
    expect(mayGoOn({ credential: 'claude', fallback: { credentials: [null], afterMs: 40 } }, limits, 60)).toBe(false)
  })

  it('is that of the agent that was asked for, whoever goes on', () => {
    const agent = (name: string) => ({ ...aSpec().agent, name, type: 'claude' as const, env: [name] })
    const fallback = { agents: [agent('b')], afterMs: 5, passedOver: [] }
    const spec = aSpec({ agent: agent('a'), fallback })
    const accounts = { credential: 'claude fake a', fallback: { credentials: ['claude fake b'], afterMs: 5 } }
    expect([accountsOf(spec), accountsOf(doneBy(spec, 'b'))]).toEqual([accounts, accounts])
    const alone = { credential: 'claude fake a' }
    expect(accountsOf(aSpec({ agent: agent('a'), fallback: { ...fallback, agents: [] } }))).toEqual(alone)
    expect(accountsOf(aSpec({ agent: agent('a') }))).toEqual(alone)
  })
})
