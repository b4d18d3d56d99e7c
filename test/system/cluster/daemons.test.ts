/** Real daemons that share their state in a real PostgreSQL: one serves, the others stand by and take over. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { ClusterMemberJson } from '../../../src/protocol/upkeep.ts'
import { hasEnded, tdf, until } from '../../support/daemon/home.ts'
import { memberHome, removeHomes, serves, statusOf } from './support/homes.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let count = 0
beforeAll(async () => {
  postgres = await startPostgres()
})
afterEach(removeHomes)
afterAll(() => postgres?.remove())

const freshUrl = () => postgres.url(`tdf${++count}`)

it('one serves and the other stands by; when the one is killed the other serves, with what was stored', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  const daemon = await one.start()
  await until('the first serves', serves(one))
  const two = memberHome(url, 'two', one)
  await two.start()
  expect(await statusOf(two)).toMatchObject({ role: 'standby', member: 'two', store: { kind: 'postgres' } })
  expect((await statusOf(two)).installId).toBe((await statusOf(one)).installId)
  // Asked of the one that stands by.
  await tdf(two, 'daemon', 'drain', '--no-wait')
  expect((await statusOf(one)).obstacle).toMatch(/drain/)
  await one.kill(daemon)
  await until('the second serves', serves(two))
  expect(await statusOf(two)).toMatchObject({ role: 'serving', epoch: 2, obstacle: (await statusOf(two)).obstacle })
  expect((await statusOf(two)).obstacle).toMatch(/drain/)
})

it('one that stands by answers with numbers at the port of its metrics, and takes no orders there', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  await one.start()
  await until('the first serves', serves(one))
  const port = 20_000 + (process.pid % 20_000)
  const two = memberHome(url, 'two', one, `[daemon]\nmetrics_listen = "127.0.0.1:${port}"\n`)
  await two.start()
  const ask = (method: string, where: string) => fetch(`http://127.0.0.1:${port}${where}`, { method })
  expect(await (await ask('GET', '/metrics')).text()).toContain('tdf_serving 0\n')
  expect(await (await ask('GET', '/health/ready')).text()).toBe('ok')
  const orders = ['/v1/stop', '/v1/reload', '/v1/cluster/handover']
  const answers = await Promise.all(orders.map(where => ask('POST', where)))
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404])
  expect((await ask('GET', '/v1/status')).status).toBe(404)
})

it('hands over under orders: the named one serves, the other ends with an exit code that its service starts it again for', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  const daemon = await one.start()
  await until('the first serves', serves(one))
  expect(await tdf(one, 'cluster', 'handover')).toMatchObject({
    code: 5,
    err: expect.stringContaining('no other daemon stands by'),
  })
  const two = memberHome(url, 'two', one)
  await two.start()
  const three = memberHome(url, 'three', one)
  await three.start()
  expect(await tdf(two, 'cluster', 'handover', 'four')).toMatchObject({ code: 3 })
  // Asked of one that stands by, about another one.
  const { code, out } = await tdf(two, 'cluster', 'handover', 'three')
  expect([code, out]).toEqual([0, 'three serves (epoch 2)\n'])
  await until('the first has ended', () => hasEnded(daemon))
  expect(daemon.exitCode).toBe(76)
  await one.start()
  const listed: ClusterMemberJson[] = JSON.parse((await tdf(one, 'cluster', 'ls', '--json')).out)
  expect(listed.map(({ name, role, epoch }) => [name, role, epoch])).toEqual([
    ['one', 'standby', 2],
    ['three', 'serving', 2],
    ['two', 'standby', 2],
  ])
  expect((await tdf(one, 'daemon', 'status')).out).toMatch(/role +stands by as one/)
})

it('a daemon that was frozen and taken over from ends once it thaws, and stores nothing more', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  const daemon = await one.start()
  await until('the first serves', serves(one))
  const two = memberHome(url, 'two', one)
  await two.start()
  daemon.kill('SIGSTOP')
  await until('the second serves', serves(two))
  daemon.kill('SIGCONT')
  await until('the first has ended', () => hasEnded(daemon))
  expect(daemon.exitCode).toBe(76)
  expect(await statusOf(two)).toMatchObject({ role: 'serving', epoch: 2 })
})

it('refuses a daemon with another key, and one that has none where there is one', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  await one.start()
  const without = memberHome(url, 'without')
  expect(hasEnded(await without.start())).toBe(true)
  const { code, err } = await tdf(without, 'daemon', 'run')
  expect(code).toBe(3)
  expect(err).toContain('copy it from a daemon that has it')
})
