/** What the daemon owes the machines that it orders: over the real provider and the model of Hetzner's API. */
import { afterEach, expect, it } from 'vitest'
import { removeNode } from '../../../../daemon/nodes/actions.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
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
