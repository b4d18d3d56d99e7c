/** What the daemon owes the machines that it orders: over the real provider and the model of Hetzner's API. */
import { afterEach, expect, it } from 'vitest'
import { saveNode } from '../../../../daemon/engine/save-node.ts'
import { removeNode } from '../../../../daemon/nodes/actions.ts'
import { readNode, readNodes } from '../../../../src/store/tables/nodes.ts'
import { reservedOn } from '../../../../src/store/tables/slots.ts'
import type { FakeHetzner } from '../../../fakes/hetzner/cloud.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const config = aConfig({
  nodes: { heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, maxWorkspaces: 1 },
  runner: { reconcileInterval: 10 * MIN },
})
let out: Outside
let life: Life
let cloud: FakeHetzner
afterEach(() => {
  life.kill()
  out.remove()
})

async function begin(change: Parameters<typeof aConfig>[0] = {}): Promise<void> {
  out = outside({
    nodes: [],
    hetzner: true,
    config: { ...config, ...aConfig(change), nodes: { ...config.nodes, ...change.nodes } },
  })
  life = await live(out)
  if (!out.hetzner) throw new Error('there is no cloud')
  cloud = out.hetzner.cloud
}

const nodes = () => readNodes(life.engine.store.sql)
/** The daemon learns of it by the next answer. */
async function othersLeave(requests: number): Promise<void> {
  cloud.leave(requests)
  await life.engine.providers.hetzner?.fleet?.list(new AbortController().signal)
}
const isOver = (id: string) => () => life.task(id).step === null

it('a machine is ordered and removed from the reserve of the rate limit, when others have used up the rest', async () => {
  await begin()
  await othersLeave(100)
  const id = await life.submit({}, { commits: 1 })
  expect(await life.world.run(() => cloud.made.size === 1, MIN)).toBe(true)
  expect(await life.world.run(isOver(id), 2 * HOUR)).toBe(true)
  await life.world.clock.advance(HOUR / 2)
  expect(nodes()).toMatchObject([{ status: 'warm' }])
  await othersLeave(100)
  await removeNode(life.engine, nodes()[0]?.name ?? '', { discard: false, dryRun: false })
  expect(await life.world.run(() => cloud.servers().length === 0, MIN)).toBe(true)
})

it('a server that carries the label of another installation is never deleted, and the node says so', async () => {
  await begin()
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => isOver(id)() && nodes()[0]?.status === 'warm', 2 * HOUR)
  const [server] = cloud.servers()
  if (server) server.labels['tdf-install'] = 'inst0002'
  await removeNode(life.engine, nodes()[0]?.name ?? '', { discard: false, dryRun: false })
  await life.world.clock.advance(3 * HOUR)
  expect(cloud.requests.filter(call => call.startsWith('DELETE'))).toEqual([])
  expect(nodes()).toMatchObject([{ status: 'destroying', waitingFor: expect.stringContaining('labels') }])
})

it('a server that vanishes before it is up is not ordered anew under its name', async () => {
  await begin()
  cloud.model.bootMs = 10 * MIN
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => nodes()[0]?.facts.serverId !== undefined, MIN)
  const name = nodes()[0]?.name ?? ''
  cloud.vanish(name)
  cloud.model.bootMs = MIN
  expect(await life.world.run(isOver(id), 4 * HOUR)).toBe(true)
  expect(life.task(id)).toMatchObject({ status: 'completed', nodeName: expect.not.stringContaining(name) })
  expect([...cloud.made.values()]).toEqual([1, 1])
})

it('a create that was done without an answer is found by its name, though the lists do not have it yet', async () => {
  await begin()
  cloud.faults.push(
    { on: /POST \/servers/, strike: { kind: 'after', status: 500, code: 'server_error' }, times: 1 },
    { on: /GET \/servers$/, strike: { kind: 'empty' }, times: 4 },
  )
  const id = await life.submit({}, { commits: 1 })
  const orders = () => cloud.requests.filter(call => call === 'POST /servers').length
  expect(await life.world.run(() => orders() === 2 && nodes()[0]?.facts.serverId !== undefined, 10 * MIN)).toBe(true)
  expect(await life.world.run(isOver(id), 4 * HOUR)).toBe(true)
  expect([life.task(id).status, orders(), [...cloud.made.values()]]).toEqual(['completed', 2, [1]])
})

it('a create without an answer is not given up after one empty list: nothing is left when its node is over', async () => {
  await begin()
  cloud.faults.push(
    { on: /POST \/servers/, strike: { kind: 'cut', done: true }, times: 1 },
    { on: /GET \/servers$/, strike: { kind: 'empty' }, times: 4 },
  )
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => cloud.made.size === 1, MIN)
  await life.engine.signal({ kind: 'cancel', taskId: id })
  expect(await life.world.run(() => nodes().length === 0, HOUR)).toBe(true)
  expect([life.task(id).status, cloud.leaks()]).toEqual(['cancelled', []])
})

it('a slot that is reserved on a machine that is to come is in use: the next task gets a machine of its own', async () => {
  await begin({ nodes: { maxNodes: 2 } })
  await life.submit({}, { ms: HOUR })
  await life.world.run(() => nodes().length === 1, MIN)
  await life.submit({}, { ms: HOUR }, 'second')
  expect(await life.world.run(() => nodes().length === 2, MIN)).toBe(true)
  const places = nodes().map(({ name }) => reservedOn(life.engine.store.sql, name).length)
  expect(places).toEqual([1, 1])
})

it('a machine that is to be destroyed is held while work on it is not saved', async () => {
  await begin()
  const id = await life.submit({}, { commits: 1 })
  await life.world.run(() => life.task(id).step === 'running', HOUR)
  const [agent] = out.hetzner?.agents.values() ?? []
  if (agent) agent.faults.salvageFails = true
  await life.world.run(() => nodes()[0]?.status === 'held', 6 * HOUR)
  // As a version that forgot the work would have left it.
  const node = readNode(life.engine.store.sql, nodes()[0]?.name ?? '')
  await life.engine.store.commit(
    () => node && saveNode(life.engine, node, { status: 'destroying', wakeAt: out.time.now }),
  )
  await life.world.clock.advance(HOUR)
  expect([nodes()[0]?.status, cloud.leaks().length]).toEqual(['held', 1])
  if (agent) agent.faults.salvageFails = false
  expect(await life.world.run(() => cloud.leaks().length === 0, 6 * HOUR)).toBe(true)
  expect([out.hetzner?.lostWork, out.results.refs.has(`refs/tdf/${id}/1`)]).toEqual([[], true])
})
