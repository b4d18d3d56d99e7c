/** `tdf db check|backup|restore` where the state is in a PostgreSQL that daemons share. */
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, tdf, tdfWith, until } from '../../support/daemon/home.ts'
import { keyOf, memberHome, removeHomes, serves } from './support/homes.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let url: string
let home: Home
/** Its daemon does not run. */
let other: Home
/** Its state is in a file. */
let alone: Home
beforeAll(async () => {
  postgres = await startPostgres()
  url = await postgres.url('tdf')
  home = memberHome(url, 'one')
  alone = makeHome()
  await home.start()
  await until('it serves', serves(home))
  other = memberHome(url, 'two', home)
})
afterAll(async () => {
  await removeHomes()
  await alone?.remove()
  await postgres?.remove()
})

const REPO = { kind: 'git', url: 'https://example.org/repo.git', ref: null, baseCommit: null }
const submit = (prompt: string) =>
  home.client.call<TaskJson>({
    method: 'POST',
    path: '/tasks',
    json: { prompt, command: ['true'], repo: REPO, size: 'large', idempotencyKey: prompt },
  })
const file = () => path.join(other.dir, 'backup.db')
const prompts = async () => (await home.client.call<TaskJson[]>({ path: '/tasks' })).map(({ prompt }) => prompt)

it('checks and backs up over the connection, from any host, while a daemon serves', async () => {
  await submit('first')
  expect(await tdfWith(home, { input: 'hunter2' }, 'secret', 'set', 'TOKEN')).toMatchObject({ code: 0 })
  for (const at of [home, other]) {
    expect(await tdf(at, 'db', 'check')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^PostgreSQL at 127\.0\.0\.1:\d+\/tdf: whole, schema \d+, 1 tasks, .*, epoch 1\n$/),
    })
  }
  const { code, out } = await tdf(home, 'db', 'backup')
  expect([code, existsSync(out.trim())]).toEqual([0, true])
  expect(await tdf(other, 'db', 'backup', '--to', file())).toMatchObject({ code: 0, out: `${file()}\n` })
  expect((await tdf(other, 'db', 'check', file())).out).toContain('whole')
})

it('restores nothing while a daemon is there, and no backup of anything else', async () => {
  await submit('second')
  expect(await tdf(home, 'db', 'restore', file(), '--yes')).toMatchObject({ code: 75 })
  expect(await tdf(other, 'db', 'restore', file(), '--yes')).toMatchObject({
    code: 5,
    err: expect.stringContaining('one serves: stop every daemon first'),
  })
  expect(await tdf(home, 'daemon', 'stop')).toMatchObject({ code: 0 })
  // A file of its own is another state, and a backup of a shared one is none for a file.
  const daemon = await alone.start()
  const own = path.join(alone.dir, 'own.db')
  expect(await tdf(alone, 'db', 'backup', '--to', own)).toMatchObject({ code: 0 })
  await alone.kill(daemon)
  expect(await tdf(other, 'db', 'restore', own, '--yes')).toMatchObject({
    code: 78,
    err: expect.stringContaining('of a state in a file'),
  })
  expect(await tdf(alone, 'db', 'restore', file(), '--yes')).toMatchObject({ code: 0 })
  expect(await tdf(alone, 'daemon', 'run')).toMatchObject({ code: 78, err: expect.stringContaining('PostgreSQL at') })
})

it('puts a backup in the place of everything, with its secrets, and keeps what was there', async () => {
  const { code, out } = await tdf(other, 'db', 'restore', file(), '--yes', '--json')
  expect(code).toBe(0)
  const { aside } = JSON.parse(out)
  expect(await tdf(other, 'db', 'check')).toMatchObject({ out: expect.stringContaining(', 1 tasks,') })
  // Of which every machine is asked what it runs, before anything is placed.
  const marked = `select data::jsonb ->> 'value' as value from tdf_ledger.rows where pk = '["restored"]'`
  expect(await postgres.query('tdf', marked)).toEqual([{ value: '1' }])
  await home.start()
  await until('it serves again', serves(home))
  expect(await prompts()).toEqual(['first'])
  expect((await tdf(home, 'secret', 'ls')).out).toContain('TOKEN')
  await tdf(home, 'daemon', 'stop')
  expect(await tdf(other, 'db', 'restore', aside, '--yes')).toMatchObject({ code: 0 })
  expect(await tdf(other, 'db', 'check')).toMatchObject({ out: expect.stringContaining(', 2 tasks,') })
})

it('says what is wrong in the database: rows, missing parts, another key', async () => {
  const damage = "update tdf_ledger.rows set data = jsonb_set(data::jsonb, '{spec}', '\"{\"')::text where tbl = 'tasks'"
  await postgres.query('tdf', damage)
  await postgres.query('tdf', "insert into tdf_ledger.blobs (name, part, made, bytes) values ('logs/x', 1, 'x', '')")
  const { code, out, err } = await tdf(other, 'db', 'check', '--json')
  expect([code, JSON.parse(out).problems]).toEqual([
    78,
    [
      expect.stringContaining('the column "spec"'),
      expect.stringContaining('the column "spec"'),
      'of logs/x a part is missing',
    ],
  ])
  expect(err).toContain('and 2 more')
  writeFileSync(keyOf(other), `${'ab'.repeat(32)}\n`)
  expect(JSON.parse((await tdf(other, 'db', 'check', '--json')).out).problems).toContain(
    'the key file of this host is not that of the installation',
  )
})
