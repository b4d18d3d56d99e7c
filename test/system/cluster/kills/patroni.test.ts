/**
 * Two daemons over three PostgreSQL under Patroni and etcd, of which one after the other dies under a load. What was acknowledged is
 * compared with what the node did in the end.
 */
import process from 'node:process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../../support/daemon/home.ts'
import { type Daemons, startDaemons } from '../support/daemons.ts'
import { type Load, type ModelNode, modelNode, startLoad } from '../support/load.ts'
import { query, startTrio, type Trio } from '../support/patroni.ts'

/** Patroni gives a machine up after its ttl of 20 s; the rest is a busy machine's. */
const LIMIT_MS = 600_000
let trio: Trio
let node: ModelNode
let daemons: Daemons
let load: Load
let endSupervision: () => Promise<string[]>

beforeAll(async () => {
  trio = await startTrio()
  node = await modelNode()
  const { port } = await trio.leader(2)
  await query(port, 'postgres', "create database tdf encoding 'UTF8' template template0")
  daemons = await startDaemons({ url: trio.url('tdf'), config: node.config })
  endSupervision = daemons.supervise()
  load = await startLoad(daemons, node)
}, LIMIT_MS)
afterAll(async () => {
  load?.stop()
  await endSupervision?.()
  await daemons?.remove()
  node?.close()
  await trio?.remove()
}, LIMIT_MS)

it(
  'goes on when the first process of the PostgreSQL that takes writes is killed',
  async () => {
    const { postmaster } = await trio.leader(1)
    process.kill(postmaster(), 'SIGKILL')
    await load.more(10)
  },
  LIMIT_MS,
)

it(
  'goes on when the machine of that PostgreSQL is gone, and a member of etcd with it',
  async () => {
    const leader = await trio.leader(1)
    const [member] = trio.etcd
    await member?.kill()
    await load.more(5)
    await leader.kill()
    await load.more(10)
    member?.start()
    leader.start()
  },
  LIMIT_MS,
)

it(
  'acknowledges nothing while both standbys of PostgreSQL are away',
  async () => {
    const leader = await trio.leader(2)
    const others = trio.databases.filter(one => one !== leader)
    for (const one of others) await one.kill()
    const { acknowledged, refusals } = load
    const refused = () => refusals.filter(code => code === 'STORE_AWAY').length
    const first = refused()
    // An answer may be on its way yet; behind a refusal there is none.
    await until('what is submitted is refused', () => refused() > first)
    const before = acknowledged.length
    await until('so is what is submitted then', () => refused() > first + 1)
    expect(acknowledged.length).toBe(before)
    for (const one of others) one.start()
    await load.more(5)
  },
  LIMIT_MS,
)

it(
  'goes on when the machine of that PostgreSQL is frozen, and is not disturbed when it thaws',
  async () => {
    const leader = await trio.leader(2)
    leader.freeze()
    await load.more(10)
    leader.thaw()
    await trio.leader(2)
    await load.more(5)
  },
  LIMIT_MS,
)

it(
  'has done everything that was acknowledged once',
  async () => {
    await load.settle()
    expect(load.acknowledged.length).toBeGreaterThan(40)
  },
  LIMIT_MS,
)
