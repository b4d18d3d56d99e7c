/** Rows and machines, brought together: over the real provider and the model of Hetzner's API. */
import { afterEach, expect, it } from 'vitest'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import type { FakeServer } from '../../../fakes/hetzner/model.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'
import type { HetznerMachines } from '../../../support/machines/hetzner-machines.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const config = aConfig({
  nodes: { heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, maxWorkspaces: 1 },
  runner: { reconcileInterval: 10 * MIN },
})
let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

async function begin(change: Parameters<typeof aConfig>[0] = {}): Promise<HetznerMachines> {
  const nodes = { ...config.nodes, ...change.nodes }
  out = outside({
    nodes: [],
    hetzner: true,
    config: { ...config, ...aConfig({ ...change, nodes }), runner: config.runner },
  })
  life = await live(out)
  if (!out.hetzner) throw new Error('there is no cloud')
  return out.hetzner
}

const nodes = (all = true) => readNodes(life.engine.store.sql, all)
const is = (status: string) => () => nodes().some(node => node.status === status)

/** A server that somebody made who is not this daemon. */
async function foreign({ cloud }: HetznerMachines, name: string, labels: Record<string, string>): Promise<FakeServer> {
  const body = { name, labels, server_type: 'cx23', image: 'debian-13', location: 'fsn1' }
  const headers = { authorization: `Bearer ${cloud.rules.token}`, 'content-type': 'application/json' }
  await cloud.fetch('https://x.test/v1/servers', { method: 'POST', headers, body: JSON.stringify(body) })
  const server = cloud.byName(name)
  if (!server) throw new Error(`no server ${name}`)
  return server
}

/** There is a workspace of that task's first attempt on the machine that nobody owns. */
async function work(machines: HetznerMachines, taskId: string): Promise<void> {
  const task = { taskId, attempt: 1, source: { kind: 'git', url: 'https://example.org/x.git', ref: null } }
  await machines.agents.get('tdf-inst0001-left')?.app.request('/workspaces', {
    method: 'POST',
    headers: { authorization: 'Bearer agent-token', 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ ...task, workspaceId: `${taskId}-1-1`, outputBranch: 'b', author: { name: 'a', email: 'a@b' } },
      ...{ setup: null, callback: { token: 'x' } },
    }),
  })
}

const OURS = { 'tdf-install': 'inst0001', 'tdf-node': 'tdf-inst0001-left' }

it('a machine of ours without a row is taken in, its work is saved, and it goes', async () => {
  const machines = await begin()
  await foreign(machines, 'tdf-inst0001-left', OURS)
  const agent = machines.agents.get('tdf-inst0001-left')
  await work(machines, 'lost-task')
  await life.world.clock.advance(50 * MIN)
  expect(nodes()).toEqual([])
  expect(await life.world.run(is('destroyed'), 2 * HOUR)).toBe(true)
  expect(machines.cloud.leaks()).toEqual([])
  expect(agent?.requests).toContain('POST /workspaces/lost-task-1-1/salvage')
  const said = due(life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload.message)
  expect(said.join('\n')).toContain('git fetch ')
  expect(said.join('\n')).toContain('lost-task-1-1.bundle refs/tdf/lost-task/1')
  expect(said.join('\n')).toContain('had no owner and is removed: 1 workspaces were saved')
})

it('what a restored database has forgotten comes to the attempt that is over without a result, and to no other', async () => {
  for (const isOver of [true, false]) {
    const machines = await begin()
    machines.cloud.rules.serverLimit = 0
    const id = await life.submit({}, {}, 'known')
    if (isOver) await life.engine.signal({ kind: 'cancel', taskId: id })
    machines.cloud.rules.serverLimit = 1
    await foreign(machines, 'tdf-inst0001-left', OURS)
    machines.cloud.rules.serverLimit = 0
    await work(machines, id)
    await life.world.clock.advance(50 * MIN)
    const isGone = () => machines.cloud.servers().length === 0
    expect(await life.world.run(isGone, 2 * HOUR)).toBe(true)
    const { status, result } = life.task(id)
    expect([status, result !== null]).toEqual(isOver ? ['cancelled', true] : ['queued', false])
    expect(out.results.refs.has('refs/tdf/known/1')).toBe(isOver)
    const said = due(life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)
    expect(said.some(({ taskId, message }) => taskId === id && String(message).includes('git fetch'))).toBe(!isOver)
    life.kill()
    out.remove()
  }
  await begin()
})

it('a machine of ours without a row that is never reached goes after two looks', async () => {
  const machines = await begin()
  await foreign(machines, 'tdf-inst0001-left', OURS)
  const agent = machines.agents.get('tdf-inst0001-left')
  if (agent) agent.faults.down = true
  expect(await life.world.run(is('destroyed'), 2 * HOUR)).toBe(true)
  expect(machines.cloud.leaks()).toEqual([])
})

it('what does not carry both of our labels is never touched, however it is called', async () => {
  const machines = await begin()
  await foreign(machines, 'tdf-inst0001-aaaa', {})
  await foreign(machines, 'tdf-inst0001-bbbb', { 'tdf-install': 'inst0002', 'tdf-node': 'tdf-inst0001-bbbb' })
  await foreign(machines, 'tdf-inst0001-cccc', { 'tdf-install': 'inst0001' })
  await life.world.clock.advance(12 * HOUR)
  expect(machines.cloud.servers()).toHaveLength(3)
  expect(machines.cloud.requests.filter(call => call.startsWith('DELETE') || call.startsWith('PUT'))).toEqual([])
})

it('at most five machines in a round are taken in', async () => {
  const machines = await begin()
  for (let index = 0; index < 8; index++) {
    await foreign(machines, `left${index}`, { 'tdf-install': 'inst0001', 'tdf-node': `left${index}` })
  }
  await life.world.run(() => nodes().length > 0, 2 * HOUR)
  expect(nodes()).toHaveLength(5)
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 4 * HOUR)).toBe(true)
})

it.each(['warm', 'ready'] as const)(
  'a machine that vanishes while it is %s is told, and another is ordered',
  async status => {
    const machines = await begin()
    const id = await life.submit({}, { ms: status === 'ready' ? 30 * HOUR : 1_000, commits: 1, busy: true })
    await life.world.run(() => (status === 'warm' ? is('warm')() : life.task(id).step === 'running'), 2 * HOUR)
    machines.cloud.vanish(nodes()[0]?.name ?? '')
    expect(await life.world.run(is('destroyed'), HOUR)).toBe(true)
    const path = readEvents(life.engine.store.sql, { after: 0, limit: 1_000 })
      .filter(({ type }) => type === 'node.status')
      .map(({ data }) => data.to)
    expect(path).toContain('lost')
    if (status === 'ready') expect(life.task(id)).toMatchObject({ verdict: 'infrastructure' })
    const next = await life.submit({}, { commits: 1 })
    await life.world.run(() => life.task(next).step === null, 4 * HOUR)
    expect(life.task(next)).toMatchObject({ status: 'completed' })
  },
)

it('empty lists for an hour change nothing', async () => {
  const machines = await begin()
  const id = await life.submit({}, { ms: 3 * HOUR, commits: 1, busy: true })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  machines.cloud.faults.push({ on: /GET \/servers$/, strike: { kind: 'empty' }, times: 30 })
  await life.world.clock.advance(HOUR)
  expect(nodes()).toMatchObject([{ status: 'ready' }])
  await life.world.run(() => life.task(id).step === null, 6 * HOUR)
  expect(life.task(id)).toMatchObject({ status: 'completed' })
})

it('a machine that is said to be gone and is not is found and removed', async () => {
  const machines = await begin()
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => life.task(id).step === null && is('warm')(), 2 * HOUR)
  machines.cloud.faults.push({
    on: /GET \/servers\/\d+$/,
    strike: { kind: 'answer', status: 404, code: 'not_found' },
    times: 1,
  })
  expect(await life.world.run(is('destroyed'), 2 * HOUR)).toBe(true)
  expect(machines.cloud.leaks()).toHaveLength(1)
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 3 * HOUR)).toBe(true)
})

it('a lease never runs for less than held_max, and is renewed seldom', async () => {
  const machines = await begin({ nodes: { heldMax: 12 * HOUR, maxLifetime: 400 * HOUR } })
  const id = await life.submit({}, { hangs: true, busy: true })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  const [server] = machines.cloud.servers()
  for (let hour = 0; hour < 20; hour++) {
    await life.world.clock.advance(HOUR)
    const lease = Number(server?.labels['tdf-lease']) * 1_000
    expect(lease - out.time.now).toBeGreaterThanOrEqual(12 * HOUR - 6 * MIN)
    expect(lease - out.time.now).toBeLessThanOrEqual(13 * HOUR + MIN)
  }
  expect(machines.cloud.requests.filter(call => call.startsWith('PUT')).length).toBeLessThanOrEqual(21)
})

it('a machine whose lease cannot be renewed keeps no other from being looked at', async () => {
  const machines = await begin()
  await foreign(machines, 'tdf-inst0001-left', OURS)
  const id = await life.submit({}, { hangs: true, busy: true })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  const own = machines.cloud.byName(nodes().find(({ status }) => status === 'ready')?.name ?? '')
  if (own) own.labels['tdf-lease'] = '1'
  machines.cloud.faults.push({
    on: /PUT/,
    strike: { kind: 'answer', status: 423, code: 'protected' },
    times: 1_000,
  })
  expect(await life.world.run(() => machines.cloud.byName('tdf-inst0001-left') === undefined, 3 * HOUR)).toBe(true)
})

it('a machine that runs and does not answer is lost, and does not cost money for ever', async () => {
  const machines = await begin()
  const id = await life.submit({}, { ms: 30 * HOUR, busy: true })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  const agent = machines.agents.get(nodes()[0]?.name ?? '')
  if (agent) agent.faults.down = true
  await life.world.run(() => life.task(id).status === 'failed', 3 * HOUR)
  expect(life.task(id)).toMatchObject({ verdict: 'infrastructure', error: { code: 'NODE_LOST' } })
  // There may be work on it: so it is held, for as long as the configuration says, and then removed.
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 72 * HOUR + 15 * MIN)).toBe(true)
  expect(nodes().every(({ status }) => status === 'destroyed')).toBe(true)
})

it('a warm machine that stops answering is removed within the hour', async () => {
  const machines = await begin()
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => life.task(id).step === null && is('warm')(), 2 * HOUR)
  const agent = machines.agents.get(nodes()[0]?.name ?? '')
  if (agent) agent.faults.down = true
  expect(await life.world.run(() => machines.cloud.leaks().length === 0, 2 * HOUR)).toBe(true)
})

it('an idle machine stays to the end of the hour that is paid, unless told otherwise', async () => {
  for (const keepPaidHour of [true, false]) {
    const machines = await begin({
      providers: { ...config.providers, hetzner: { ...config.providers.hetzner, keepPaidHour } } as never,
    })
    const begun = out.time.now
    const id = await life.submit({}, { commits: 1 })
    await life.world.run(() => life.task(id).step === null && is('warm')(), 2 * HOUR)
    expect(nodes()[0]).toMatchObject({ size: 'small', location: 'fsn1', pricePerHour: 0.006 })
    expect(await life.world.run(() => machines.cloud.leaks().length === 0, 2 * HOUR)).toBe(true)
    const minutes = (out.time.now - begun) / MIN
    expect(minutes).toBeGreaterThan(keepPaidHour ? 54 : 30)
    expect(minutes).toBeLessThan(keepPaidHour ? 60 : 45)
    life.kill()
    out.remove()
  }
  await begin()
})
