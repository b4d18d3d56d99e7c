/** `tdf db export` and `tdf db import`: everything goes into a real PostgreSQL and back, and is served from one place. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { DaemonStatusJson, TaskJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../support/daemon/home.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let home: Home
let repository: ReturnType<typeof makeRepository>
beforeAll(async () => {
  postgres = await startPostgres()
  home = makeHome('[cluster]\nname = "one"\nlisten = "127.0.0.1:0"\n')
  repository = makeRepository()
})
afterAll(async () => {
  await home?.remove()
  repository?.remove()
  await postgres?.remove()
})

it('a state goes there and comes back with its tasks, results and secrets', async () => {
  const url = await postgres.url('moved')
  const shared = { TDF_STORE__URL: url }
  const serving = () => home.client.call<DaemonStatusJson>({ path: '/status' })
  const embedded = await home.start()
  const ran = await tdf(
    home,
    'submit',
    '--wait',
    '--json',
    '--repo',
    repository.dir,
    '--',
    'sh',
    '-c',
    'echo new > new.txt',
  )
  expect(ran).toMatchObject({ code: 0 })
  const task = JSON.parse(ran.out) as TaskJson
  expect(await tdfWith(home, { input: 'hunter2' }, 'secret', 'set', 'TOKEN')).toMatchObject({ code: 0 })
  const { installId } = await serving()
  expect(await tdf(home, 'db', 'export', '--to', url)).toMatchObject({ code: 75 })
  await home.kill(embedded)

  expect(await tdf(home, 'db', 'export', '--to', url, '--json')).toMatchObject({ code: 0, err: '' })
  const refused = await tdf(home, 'daemon', 'run')
  expect(refused).toMatchObject({ code: 78, err: expect.stringContaining('the state is not here any more') })

  // What is not in the database is not there.
  for (const name of ['results', 'bundles', 'logs', 'secrets']) {
    rmSync(`${home.dir}/state/${name}`, { recursive: true, force: true })
  }
  const member = await home.start(shared)
  await until('it serves', async () => (await serving()).role === 'serving')
  expect((await serving()).installId).toBe(installId)
  expect((await home.task(task.id)).result).toEqual(task.result)
  expect((await tdf(home, 'diff', task.id)).out).toContain('+new')
  expect((await tdf(home, 'secret', 'ls')).out).toContain('TOKEN')
  const doctor = JSON.stringify(await home.client.call({ path: '/doctor' }))
  expect(doctor).toContain('PostgreSQL 1')
  expect(doctor).toContain('no other daemon stands by')
  expect(await tdfWith(home, { env: shared }, 'db', 'import')).toMatchObject({ code: 75 })
  await home.kill(member)

  // One that was killed counts as there for a while.
  const come = () => tdfWith(home, { env: shared }, 'db', 'import', '--json')
  await until('no daemon serves any more', async () => (await come()).code === 0)
  const left = await tdfWith(home, { env: shared }, 'daemon', 'run')
  expect(left).toMatchObject({ code: 78, err: expect.stringContaining('the state is not here any more') })
  await home.start()
  expect((await serving()).store).toEqual({ kind: 'file', host: null })
  expect((await tdf(home, 'diff', task.id)).out).toContain('+new')
  expect((await tdf(home, 'secret', 'ls')).out).toContain('TOKEN')
})
