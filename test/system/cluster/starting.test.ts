/** Daemons that begin: while their database is away, under a name that another one has, and what `tdf doctor` says of them. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import { type Home, hasEnded, tdf, until } from '../../support/daemon/home.ts'
import { keyOf, memberHome, removeHomes, serves, statusOf } from './support/homes.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let count = 0
beforeAll(async () => {
  postgres = await startPostgres()
})
afterEach(removeHomes)
afterAll(() => postgres?.remove())

const freshUrl = () => postgres.url(`tdf${++count}`)

async function findings(home: Home): Promise<FindingJson[]> {
  return JSON.parse((await tdf(home, 'doctor', '--json')).out)
}

it('a daemon with the name of one that is at work is refused; one that was killed has its name back at once', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  const daemon = await one.start()
  await until('the first serves', serves(one))
  const twin = memberHome(url, 'one', one)
  const second = await twin.start()
  // It may answer before it has heard of the first.
  await until('the second is refused', async () => hasEnded(second))
  expect(await tdf(twin, 'daemon', 'run')).toMatchObject({
    code: 78,
    err: expect.stringContaining('another daemon of this installation is called one, and is at work'),
  })
  const [listed] = JSON.parse((await tdf(one, 'cluster', 'ls', '--json')).out)
  expect(listed).toMatchObject({ name: 'one', role: 'serving' })
  await one.kill(daemon)
  expect(hasEnded(await one.start())).toBe(false)
  await until('it serves again', serves(one))
})

it('doctor looks at the key file of its own host, and at those of the others', async () => {
  const url = await freshUrl()
  const one = memberHome(url, 'one')
  const keys = async () => (await findings(one)).filter(({ check }) => check === 'key' || check === 'keys')
  await one.start()
  await until('the first serves', serves(one))
  const two = memberHome(url, 'two', one)
  await two.start()
  expect(await keys()).toMatchObject([
    { check: 'key', state: 'ok', message: expect.stringMatching(/fingerprint is [0-9a-f]{8}$/) },
    { check: 'keys', state: 'ok' },
  ])
  // Seen from the other one: its own file, and what the one that serves says of all.
  writeFileSync(keyOf(two), `${'ab'.repeat(32)}\n`)
  await until('the other file is told', async () => JSON.stringify(await keys()).includes('of two is not that'))
  chmodSync(keyOf(two), 0o644)
  await until('the mode is told', async () => JSON.stringify(await keys()).includes('of two cannot be read'))
  expect((await findings(two)).filter(({ check }) => ['key', 'callbacks'].includes(check))).toMatchObject([
    {
      check: 'key',
      state: 'fail',
      message: expect.stringContaining('others may read'),
      hint: `chmod 600 ${keyOf(two)}`,
    },
    { check: 'callbacks', state: 'ok' },
  ])
  renameSync(keyOf(one), `${keyOf(one)}.away`)
  expect((await keys())[0]).toMatchObject({ state: 'fail', message: expect.stringContaining('there is no key') })
})

it('a daemon whose database is away answers and says so, and serves once the database is back', async () => {
  const home = memberHome(await freshUrl(), 'one')
  await postgres.kill()
  const daemon = await home.start()
  expect(hasEnded(daemon)).toBe(false)
  expect(await statusOf(home)).toMatchObject({ role: 'standby', member: 'one', epoch: 0, installId: '' })
  const { out } = await tdf(home, 'daemon', 'status')
  expect(out).toMatch(/waits +the database has not answered since .*ECONNREFUSED/)
  await expect(home.client.raw({ path: '/health/ready' })).rejects.toThrow('"ok":false')
  expect(await tdf(home, 'ls')).toMatchObject({
    code: 75,
    err: expect.stringMatching(/no daemon serves now: the database has not answered since .*ECONNREFUSED/),
  })
  expect(await findings(home)).toContainEqual(
    expect.objectContaining({ state: 'fail', message: expect.stringContaining('the database has not answered') }),
  )
  await postgres.start()
  await until('it serves', serves(home))
  expect(await statusOf(home)).toMatchObject({ epoch: 1, obstacle: null, installId: expect.stringMatching(/^\w{16}$/) })
  expect(await tdf(home, 'ls')).toMatchObject({ code: 0 })
})
