/** Rows and machines, each difference by itself: what is taken in, removed, renewed, and told that its machine is gone. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { leaseMs } from '../../../../daemon/nodes/new-node.ts'
import { machines } from '../../../../daemon/sweeps/machines.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import type { MarkedMachine } from '../../../../src/machines/provider.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { markRestored } from '../../../../src/store/tables/meta.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { aConfig } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
let listed: MarkedMachine[]
let state: 'up' | 'gone' | 'coming'
let done: unknown[]
let said: unknown[]
beforeEach(async () => {
  all = await lives({ config: aConfig({ sweeps: { interval: 10 * MIN, orphanMinAge: HOUR } }) })
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
  listed = []
  state = 'up'
  done = []
  said = []
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const nothing = { adopted: 0, removed: 0, vanished: 0, renewed: 0, recovered: 0 }
const machine = (change: Partial<MarkedMachine> = {}): MarkedMachine => ({
  id: '7',
  nodeName: 'm1',
  size: 'small',
  location: 'fsn1',
  address: '192.0.2.1',
  pricePerHour: 0.5,
  createdAt: now() - HOUR,
  leaseUntil: now() + 1_000 * HOUR,
  ...change,
})
function sweep() {
  const fleet = {
    list: async () => listed,
    remove: async ({ id }: MarkedMachine) => void done.push(['removed', id]),
    renew: async ({ id }: MarkedMachine, until: number) => {
      if (id === '13') throw new Error('locked')
      done.push(['renewed', id, until - now()])
    },
  }
  const provider = { ...all.life.engine.providers.static, fleet, find: async () => ({ state }) }
  const log = { ...all.life.engine.log, warn: (...about: unknown[]) => void said.push(about) }
  const engine = { ...all.life.engine, log, providers: { static: provider, hetzner: {} } }
  return machines.run(engine as never, { stateDir: all.out.dir } as SweepParts, new AbortController().signal)
}
const status = (name = 'n1') => readNode(sql(), name)?.status
const set = (value: string, updatedAt = now() - HOUR) =>
  sql().run('update nodes set status = ?, updated_at = ?', value, updatedAt)

it('a machine of ours without a row is taken in once it is old enough, for two looks', async () => {
  listed = [machine({ createdAt: now() - HOUR + 1 })]
  const own = { nodeName: 'n1' }
  listed.push(machine(own))
  expect(await sweep()).toEqual(nothing)
  listed = [machine({ createdAt: now() - HOUR }), machine(own)]
  markRestored(sql())
  expect(await sweep()).toEqual(nothing)
  sql().run("delete from meta where key = 'restored'")
  expect(await sweep()).toEqual({ ...nothing, adopted: 1 })
  const facts = { serverId: '7', billedFrom: now() - HOUR, adopted: true }
  const about = { status: 'held', provider: 'static', autoProvisioned: true, createdAt: now() - HOUR, facts }
  expect(readNode(sql(), 'm1')).toMatchObject({ ...about, deadlineAt: now() + 20 * MIN, pricePerHour: 0.5 })
  expect(all.life.engine.loop.knows('node:m1')).toBe(true)
  expect(said[0]).toEqual([{ node: 'm1', server: '7' }, 'a machine of ours without an owner was taken in'])
  const event = readEvents(sql(), { after: 0, limit: 1_000 }).filter(({ nodeName }) => nodeName === 'm1')[0]
  expect(event).toMatchObject({ type: 'node.status', data: { from: null, to: 'held', reason: 'adopted' } })
  expect(await sweep()).toMatchObject({ adopted: 0 })
})

it('a machine whose row says that it is gone is removed, not while that is fresh, and five in a round', async () => {
  listed = [...'0123456'].map(id => machine({ id, nodeName: 'n1' }))
  set('destroyed', now() - HOUR + 1)
  expect([await sweep(), done]).toEqual([nothing, []])
  set('destroyed')
  expect(await sweep()).toEqual({ ...nothing, removed: 5 })
  expect(done).toEqual([...'01234'].map(id => ['removed', id]))
  expect(said[0]).toEqual([{ node: 'n1', server: '0' }, 'a machine that should be gone is still there'])
})

it('a lease is renewed when it ends before held_max, or when there is none', async () => {
  const { heldMax } = all.life.engine.config.nodes
  const lease = (leaseUntil: number | null) => {
    listed = [machine({ nodeName: 'n1', leaseUntil })]
    return sweep()
  }
  expect(await lease(now() + heldMax)).toEqual(nothing)
  expect(await lease(now() + heldMax - 1)).toEqual({ ...nothing, renewed: 1 })
  expect(await lease(null)).toEqual({ ...nothing, renewed: 1 })
  expect(done).toEqual(['7', '7'].map(id => ['renewed', id, leaseMs(heldMax)]))
})

it('a machine that cannot be changed keeps no other from being looked at', async () => {
  listed = ['13', '14'].map(id => machine({ id, nodeName: 'n1', leaseUntil: null }))
  expect(await sweep()).toEqual({ ...nothing, renewed: 1 })
  const about = { node: 'n1', server: '13', err: 'locked' }
  expect(said).toEqual([[about, 'a machine could not be looked after, and will be in the next round']])
})

it('a row whose machine is not listed is lost only when the provider says of it that it is gone', async () => {
  expect([await sweep(), status()]).toEqual([nothing, 'ready'])
  state = 'gone'
  listed = [machine({ nodeName: 'n1' })]
  expect([await sweep(), status()]).toEqual([nothing, 'ready'])
  listed = []
  expect([await sweep(), status()]).toEqual([{ ...nothing, vanished: 1 }, 'lost'])
  expect(readNode(sql(), 'n1')).toMatchObject({ facts: { error: 'its machine is gone' }, wakeAt: now() })
  set('ordered')
  expect([await sweep(), status()]).toEqual([nothing, 'ordered'])
})

it('machines are looked at from the start on, as often as is set', () => {
  expect(machines.atStart).toBe(true)
  expect(machines.everyMs(all.life.engine.config)).toBe(10 * MIN)
})
