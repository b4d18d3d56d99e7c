/** Three daemons that are asked all the time while they hand over to each other, and while each of them is started again. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hasEnded, tdf, until } from '../../support/daemon/home.ts'
import { type Daemons, startDaemons } from './support/daemons.ts'
import { type Load, type ModelNode, modelNode, startLoad } from './support/load.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

const HANDOVERS = 10
let postgres: Postgres
let node: ModelNode
let daemons: Daemons
let load: Load
let endSupervision: () => Promise<string[]>
beforeAll(async () => {
  postgres = await startPostgres()
  node = await modelNode()
  daemons = await startDaemons({
    names: ['one', 'two', 'three'],
    url: await postgres.url('tdf'),
    config: node.config,
  })
  endSupervision = daemons.supervise()
  load = await startLoad(daemons, node)
})
afterAll(async () => {
  load?.stop()
  await endSupervision?.()
  await daemons?.remove()
  node?.close()
  await postgres?.remove()
})

it('hands over ten times under a load, and everything that was acknowledged is done once', async () => {
  for (let nth = 0; nth < HANDOVERS; nth++) {
    const { home, process } = await daemons.serving()
    await load.more(3)
    // A daemon or a database that is too busy to answer in time says so, and is asked again.
    await until('it hands over', async () => (await tdf(home, 'cluster', 'handover')).code === 0)
    await until('it has ended', () => hasEnded(process))
  }
  await load.settle()
  const ends = await endSupervision()
  expect(ends).toEqual(ends.map(end => end.replace(/\d+$/, '76')))
  expect(ends.length).toBeGreaterThanOrEqual(HANDOVERS)
}, 600_000)
