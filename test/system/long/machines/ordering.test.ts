/** Ordering when there is no room, no quota, no token or no API: everything waits, nothing fails, nobody storms. */
import { afterEach, describe, expect, it } from 'vitest'
import type { TaskSpec } from '../../../../src/core/task.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { no } from '../../../fakes/hetzner/faults.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'
import type { HetznerMachines } from '../../../support/machines/hetzner-machines.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const config = aConfig({
  nodes: { heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, maxWorkspaces: 1, maxNodes: 50 },
  runner: { reconcileInterval: 10 * MIN },
})
let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

async function begin(): Promise<HetznerMachines> {
  out = outside({ nodes: [], hetzner: true, config })
  life = await live(out)
  if (!out.hetzner) throw new Error('there is no cloud')
  return out.hetzner
}
const placeOf = ({ cloud }: HetznerMachines) => cloud.servers().map(({ type, location }) => `${type}/${location}`)
const over =
  (...ids: string[]) =>
  () =>
    ids.every(id => life.task(id).step === null)

describe('where there is no room', () => {
  const cases: [what: string, wish: Partial<TaskSpec>, full: string[], gets: string][] = [
    ['elsewhere', {}, ['cx23/fsn1'], 'cx23/nbg1'],
    ['a larger one', {}, ['cx23/fsn1', 'cx23/nbg1', 'cx23/hel1'], 'cx33/fsn1'],
    ['a larger one in the place that was asked for', { location: 'nbg1' }, ['cx23/nbg1'], 'cx33/nbg1'],
    ['elsewhere in the size that was asked for', { size: 'medium' }, ['cx33/fsn1', 'cx33/nbg1'], 'cx33/hel1'],
  ]
  it.each(cases)('gets %s', async (_, wish, full, gets) => {
    const machines = await begin()
    for (const offer of full) machines.cloud.rules.capacity.set(offer, 0)
    const id = await life.submit({ provider: 'hetzner', ...wish })
    await life.world.run(() => life.task(id).step === 'running', HOUR)
    expect(placeOf(machines)).toEqual([gets])
    const [type, location] = gets.split('/')
    const size = { cx23: 'small', cx33: 'medium' }[type ?? '']
    expect(readNodes(life.engine.store.sql)).toMatchObject([{ size, location }])
  })

  it('waits in the place and size that were asked for, says so, and asks less and less often', async () => {
    const machines = await begin()
    machines.cloud.rules.unsupported.add('cx33/hel1')
    const id = await life.submit({ size: 'medium', location: 'hel1' })
    await life.world.clock.advance(10 * HOUR)
    expect(life.task(id)).toMatchObject({ status: 'queued', step: 'node_provisioning' })
    expect(life.task(id).waitingFor).toContain('cx33/hel1')
    expect(machines.cloud.requests.filter(call => call === 'POST /servers').length).toBeLessThan(50)
    machines.cloud.rules.unsupported.clear()
    await life.world.run(over(id), 2 * HOUR)
    expect(life.task(id)).toMatchObject({ status: 'completed' })
  })
})

it('an account at its limit is asked now and then, by all tasks together, until there is room', async () => {
  const machines = await begin()
  machines.cloud.rules.serverLimit = 1
  const ids = await Promise.all(Array.from({ length: 6 }, () => life.submit({}, { ms: 10 * MIN, commits: 1 })))
  await life.world.clock.advance(2 * HOUR)
  const asked = machines.cloud.requests.filter(call => call === 'POST /servers').length
  expect(asked).toBeLessThan(50)
  expect(ids.map(id => life.task(id).status)).not.toContain('failed')
  machines.cloud.rules.serverLimit = 100
  await life.world.run(over(...ids), 12 * HOUR)
  expect(ids.map(id => life.task(id).status)).toEqual(ids.map(() => 'completed'))
})

it('a refused token is found out once for twenty tasks, reported once, and forgotten when it works again', async () => {
  const machines = await begin()
  const { rules, requests } = machines.cloud
  const token = rules.token
  rules.token = 'another'
  const ids = await Promise.all(Array.from({ length: 20 }, () => life.submit()))
  await life.world.clock.advance(30 * MIN)
  expect(requests.length).toBeLessThan(30)
  expect(new Set(ids.map(id => life.task(id).status))).toEqual(new Set(['queued']))
  expect(life.task(ids[0] ?? '').waitingFor).toContain('unauthorized')
  const alerts = due(life.engine.store.sql, 'error', out.time.now, 100)
  const codes = alerts.map(({ payload }) => payload.code).filter(code => String(code).startsWith('PROVIDER'))
  expect(codes).toEqual(['PROVIDER_AUTH'])
  rules.token = token
  await life.world.run(over(...ids), 12 * HOUR)
  expect(ids.map(id => life.task(id).status)).toEqual(ids.map(() => 'completed'))
})

it('an API that is out for hours fails nothing that could wait', async () => {
  const machines = await begin()
  machines.cloud.faults.push({ on: /./, strike: no(503, 'unavailable'), times: 400 })
  const id = await life.submit()
  await life.world.run(over(id), 24 * HOUR)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})

it('a storm of refusals brings the whole client below what comes back in a second', async () => {
  const machines = await begin()
  machines.cloud.faults.push({ on: /./, strike: no(429, 'rate_limit_exceeded'), times: 60 })
  const ids = await Promise.all(Array.from({ length: 30 }, () => life.submit()))
  const before = out.time.now
  await life.world.run(() => machines.cloud.faults[0]?.times === 0, 4 * HOUR)
  expect(machines.cloud.requests.length / ((out.time.now - before) / 1_000)).toBeLessThan(1)
  await life.world.run(over(...ids), 12 * HOUR)
  expect(ids.map(id => life.task(id).status)).toEqual(ids.map(() => 'completed'))
})

it('thirty machines at once are watched by one list', async () => {
  const machines = await begin()
  const ids = await Promise.all(Array.from({ length: 30 }, () => life.submit()))
  await life.world.run(() => ids.every(id => life.task(id).step === 'running'), HOUR)
  // Two for each machine, one list of two pages every five seconds at most, one question about their actions.
  expect(machines.cloud.requests.length).toBeLessThan(30 * 2 + 40)
})

it('a machine whose making ends in an error is removed, and another is made under another name', async () => {
  const machines = await begin()
  machines.cloud.rules.fate = 'fails'
  const id = await life.submit()
  await life.world.run(() => readNodes(life.engine.store.sql, true).some(({ status }) => status === 'destroying'), HOUR)
  machines.cloud.rules.fate = 'boots'
  await life.world.run(over(id), 12 * HOUR)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
  expect(machines.cloud.made.size).toBeGreaterThan(1)
  expect(new Set(machines.cloud.made.values())).toEqual(new Set([1]))
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 3 * HOUR)).toBe(true)
})

it('a machine that never boots is given back', async () => {
  const machines = await begin()
  machines.cloud.rules.fate = 'never boots'
  const id = await life.submit()
  await life.world.run(() => life.task(id).step === null, 12 * HOUR)
  expect(life.task(id)).toMatchObject({ verdict: 'infrastructure' })
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 3 * HOUR)).toBe(true)
})
