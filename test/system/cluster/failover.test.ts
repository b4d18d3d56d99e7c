/** What a ledger makes of PostgreSQL's own replication: standbys that are away, and failovers that lose what was acknowledged. */
import { afterEach, expect, it } from 'vitest'
import type { Change } from '../../../src/store/ledger/ledger.ts'
import { joinMember, stopMembers } from './support/members.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

const servers: Postgres[] = []
afterEach(async () => {
  await stopMembers()
  for (const server of servers.splice(0).reverse()) await server.remove()
})

async function started(options: Parameters<typeof startPostgres>[0]): Promise<Postgres> {
  const server = await startPostgres(options)
  servers.push(server)
  return server
}

const change = (id: number, value: string): Change => ({
  table: 'tasks',
  key: `[${id}]`,
  row: JSON.stringify({ id, value }),
})
const until = (holds: () => unknown) => expect.poll(holds, { timeout: 60_000, interval: 20 })
const urlOf = (...hosts: Postgres[]) =>
  `postgres://postgres@${hosts.map(({ port }) => `127.0.0.1:${port}`).join(',')}/tdf`

/** A primary, and one that follows it. */
async function pair(): Promise<[Postgres, Postgres]> {
  const primary = await started({ settings: { wal_keep_size: '64MB' } })
  await primary.url('tdf')
  const second = await started({ following: { primary, as: 'second' } })
  return [primary, second]
}

const follows = (primary: Postgres) => async () =>
  (await primary.query('tdf', 'select sync_state from pg_stat_replication')).map(({ sync_state: state }) => state)

async function demandStandby(primary: Postgres): Promise<void> {
  await primary.query('tdf', "alter system set synchronous_standby_names = 'second'")
  await primary.query('tdf', 'select pg_reload_conf()')
  await until(follows(primary)).toEqual(['sync'])
}

it('acknowledges nothing while the synchronous standby is away, also not what is asked for again', async () => {
  const [primary, second] = await pair()
  // What a database says of it counts for less than the ledger's promise.
  await primary.query('tdf', 'alter database tdf set synchronous_commit = local')
  const { ledger } = await (await joinMember(urlOf(primary, second), 'one')).takeOver()
  await demandStandby(primary)
  await ledger.write([change(1, 'on both')])
  await second.kill()
  let isAnswered = false
  const write = ledger.write([change(2, 'on one')]).then(() => (isAnswered = true))
  await until(() => ledger.outage()).not.toBe(null)
  // The COMMIT that waits is cut off: it is stored on the primary, and a warning says that it may be nowhere else.
  const waits = "select pid from pg_stat_activity where wait_event = 'SyncRep' and query like '%apply%'"
  await until(async () => (await primary.query('tdf', waits)).length).toBeGreaterThan(0)
  await primary.query('tdf', `select pg_cancel_backend(pid) from (${waits}) w`)
  await until(async () => (await primary.query('tdf', 'select 1 from tdf_ledger.rows')).length).toBe(2)
  // It is asked for again, and waits again.
  await until(
    async () => (await primary.query('tdf', waits.replace('%apply%', '%tdf_ledger%'))).length,
  ).toBeGreaterThan(0)
  expect(isAnswered).toBe(false)
  await second.start()
  await write
  expect(ledger.position()).toEqual({ epoch: 1, seq: 2 })
})

it('goes on with the standby when the primary is lost, with everything that was acknowledged', async () => {
  const [primary, second] = await pair()
  const one = await joinMember(urlOf(primary, second), 'one')
  const { ledger } = await one.takeOver()
  await demandStandby(primary)
  for (let id = 0; id < 10; id++) await ledger.write([change(id, 'acknowledged')])
  await primary.kill()
  const write = ledger.write([change(10, 'meanwhile')])
  second.promote()
  await write
  expect(ledger.position()).toEqual({ epoch: 1, seq: 11 })
  expect(await ledger.reload()).toHaveLength(11)
})

it('ends a daemon whose acknowledged writes a failover lost, and those that follow read everything anew', async () => {
  const [primary, second] = await pair()
  const url = urlOf(primary, second)
  const { ledger } = await (await joinMember(url, 'one')).takeOver()
  const told: string[] = []
  ledger.onLost(why => void told.push(why))
  await ledger.write([change(1, 'on both')])
  await until(async () => (await second.query('tdf', 'select 1 from tdf_ledger.rows')).length).toBe(1)
  // What comes from now on does not arrive there before the end.
  await second.query('tdf', 'select pg_wal_replay_pause()')
  await second.kill()
  await ledger.write([change(1, 'lost'), change(2, 'lost')])
  const two = await joinMember(url, 'two')
  const taken = two.takeOver()
  await until(() => two.replicas[0]?.rows.size).toBe(2)
  await primary.kill()
  await second.start()
  second.promote()
  await until(() => told).toEqual([expect.stringContaining('write 1')])
  const { ledger: next } = await taken
  const rows = two.replicas.at(-1)?.rows
  expect([...(rows?.values() ?? [])]).toEqual([change(1, 'on both')])
  await next.write([change(3, 'after')])
})
