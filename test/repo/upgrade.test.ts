/** States of older schemas, with tasks at every step, taken up by this build; and of a newer one, refused. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STEPS } from '../../src/core/task.ts'
import { inspect } from '../../src/store/sqlite/backup.ts'
import { MIGRATIONS } from '../../src/store/sqlite/migrations.ts'
import { type Home, makeHome, tdf, until } from '../support/daemon/home.ts'
import { dumpState, layDown, OLD_STEP } from '../support/daemon/old-state.ts'

const folder = path.join(import.meta.dirname, '..', 'fixtures', 'schemas')
const newest = path.join(folder, `schema-${MIGRATIONS.length}.sql`)
if (process.env.TDF_GOLDEN && !existsSync(newest)) writeFileSync(newest, dumpState(MIGRATIONS.length))
const kept = readdirSync(folder)
  .map(name => Number(/\d+/.exec(name)?.[0]))
  .sort((a, b) => a - b)

let home: Home
beforeEach(() => {
  home = makeHome('[providers.local]\nenabled = false\n')
})
afterEach(() => home.remove())

const stateDir = () => path.join(home.dir, 'state')
/** What stands before the rows. */
const tablesOf = (text: string) => text.split(/^insert into /m)[0]
const fixture = (schema: number) => readFileSync(path.join(folder, `schema-${schema}.sql`), 'utf8')

it('every schema is kept; `npm run golden` keeps the newest', () => {
  expect(kept).toEqual(MIGRATIONS.map((_, index) => index + 1))
})

describe.each(kept)('a state of schema %i', schema => {
  it('has the tables that its migrations still make: what was kept is never made otherwise', () => {
    expect(tablesOf(fixture(schema))).toEqual(tablesOf(dumpState(schema)))
  })

  it('is backed up, migrated and taken up, with every task where it was', async () => {
    layDown(stateDir(), fixture(schema), schema)
    await home.start()
    const listed = JSON.parse((await tdf(home, 'ls', '--all', '--json')).out)
    expect(listed).toHaveLength(STEPS.length + 1)
    const backups = existsSync(path.join(stateDir(), 'backups')) ? readdirSync(path.join(stateDir(), 'backups')) : []
    expect(backups).toEqual(schema < MIGRATIONS.length ? [`before-schema-${MIGRATIONS.length}.db`] : [])
    for (const { id } of listed) {
      expect(await home.client.call({ path: `/tasks/${id}/why` })).toMatchObject({
        taskId: id,
        sentence: expect.any(String),
      })
    }
  }, 60_000)

  it('keeps a task whose step it does not know, and says what it waits for', async () => {
    layDown(stateDir(), fixture(schema), schema)
    await home.start()
    const id = 'at-a-step-of-another-version'
    await until('it was looked at', async () => (await home.task(id)).waitingFor !== null)
    const task = await home.task(id)
    expect([task.step, task.verdict, task.error]).toEqual([OLD_STEP, null, null])
    expect(task.waitingFor).toContain(`knows the step "${OLD_STEP}"`)
  }, 60_000)
})

it('a state of a newer schema is refused with what to do, and left alone', async () => {
  const schema = MIGRATIONS.length + 1
  layDown(stateDir(), dumpState(MIGRATIONS.length), schema)
  const { code, err } = await tdf(home, 'daemon', 'run')
  expect([code, err]).toEqual([78, expect.stringContaining('install the newer tdf again')])
  expect(inspect(path.join(stateDir(), 'tdf.db'))).toMatchObject({ schema, tasks: STEPS.length + 1 })
})
