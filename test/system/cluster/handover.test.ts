/** Three daemons that are asked all the time while they hand over to each other, and while each of them is started again. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hasEnded, tdf, until } from '../../support/daemon/home.ts'
import { type Daemons, startDaemons } from './support/daemons.ts'
import { type Load, type ModelNode, modelNode, startLoad } from './support/load.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

const HANDOVERS = 10
/** What a command ends with while no daemon serves (EX_TEMPFAIL). */
const COME_AGAIN = 75
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

it('hands over ten times under a load', async () => {
  for (let nth = 0; nth < HANDOVERS; nth++) {
    const { home, process } = await daemons.serving()
    await load.more(3)
    // A daemon or a database that is too busy to answer in time says so, and is asked again.
    await until('it hands over', async () => (await tdf(home, 'cluster', 'handover')).code === 0)
    await until('it has ended', () => hasEnded(process))
  }
}, 600_000)

it('is started again in turn, as for an upgrade, and a command on another host is answered, or told to come again', async () => {
  const last = await daemons.serving()
  for (const daemon of [...daemons.all.filter(one => one !== last), last]) {
    const other = daemons.all.find(one => one !== daemon && one !== last) ?? last
    const { process } = daemon
    let isOver = false
    const asking = (async () => {
      const codes: (number | null)[] = []
      while (!isOver) codes.push((await tdf(other.home, 'ls')).code)
      return codes
    })()
    if (daemon === last)
      await until('it hands over', async () => (await tdf(last.home, 'cluster', 'handover')).code === 0)
    else expect(await tdf(daemon.home, 'daemon', 'stop')).toMatchObject({ code: 0 })
    await until('it was started again', () => daemon.process !== process && !hasEnded(daemon.process))
    await load.more(3)
    isOver = true
    const codes = await asking
    expect(codes.filter(code => code !== 0 && code !== COME_AGAIN)).toEqual([])
    expect(codes).toContain(0)
  }
}, 600_000)

it('has done everything that was acknowledged once, and each ended with the code that its service starts it again for', async () => {
  await load.settle()
  const ends = await endSupervision()
  const stopped = ends.filter(end => end.endsWith(' 0'))
  expect(ends.filter(end => end.endsWith(' 76')).length).toBeGreaterThan(HANDOVERS)
  expect(stopped).toHaveLength(daemons.all.length - 1)
  expect(ends.length).toBe(ends.filter(end => end.endsWith(' 76')).length + stopped.length)
}, 600_000)
