/** Two daemons, each with a way of its own to the database, of which the test loses answers and cuts what it likes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Daemons, startDaemons } from '../support/daemons.ts'
import { createLink, type Link } from '../support/link.ts'
import { type Load, type ModelNode, modelNode, startLoad } from '../support/load.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

const LIMIT_MS = 600_000
const LOST_ANSWERS = 5
let postgres: Postgres
let links: Record<string, Link>
let node: ModelNode
let daemons: Daemons
let load: Load
let endSupervision: () => Promise<string[]>

beforeAll(async () => {
  postgres = await startPostgres()
  node = await modelNode()
  const url = await postgres.url('tdf')
  links = { one: await createLink(postgres.port), two: await createLink(postgres.port) }
  const urls = Object.entries(links).map(([name, { port }]) => [name, url.replace(`:${postgres.port}/`, `:${port}/`)])
  daemons = await startDaemons({ url: Object.fromEntries(urls), config: node.config })
  endSupervision = daemons.supervise()
  load = await startLoad(daemons, node)
}, LIMIT_MS)
afterAll(async () => {
  load?.stop()
  for (const link of Object.values(links ?? {})) link.restore()
  await endSupervision?.()
  await daemons?.remove()
  for (const link of Object.values(links ?? {})) link.close()
  node?.close()
  await postgres?.remove()
}, LIMIT_MS)

it(
  'the answer to a write is lost again and again: it is asked for again',
  async () => {
    for (let lost = 0; lost < LOST_ANSWERS; lost++) {
      await Promise.race(Object.values(links).map(link => link.loseAnswerTo('apply')))
      await load.more(2)
    }
  },
  LIMIT_MS,
)

it(
  'the way of the daemon that serves is cut both ways: the other one serves, and the first stands by once its way is back',
  async () => {
    const { name } = await daemons.serving()
    links[name]?.cut()
    // One is acknowledged by the other: what is asked of the first waits for ten seconds, and is refused.
    await load.more(1)
    links[name]?.restore()
    await load.more(3)
  },
  LIMIT_MS,
)

it(
  'everything that was acknowledged meanwhile is done once',
  async () => {
    await load.settle()
    // A daemon that was replaced ended by itself, for its service to start it again.
    const ends = await endSupervision()
    expect(ends.length).toBeGreaterThan(0)
    expect(ends).toEqual(ends.map(end => end.replace(/\d+$/, '76')))
  },
  LIMIT_MS,
)
