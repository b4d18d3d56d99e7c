/** What grows with time. Numbers and names are those of docs/faults.md. */
import { expect, it } from 'vitest'
import { readEvents } from '../../../src/store/tables/journal.ts'
import { aConfig } from '../../support/builders.ts'
import { HOUR, lives, MIN } from '../../support/daemon/lives.ts'

it('87 retention: history goes by age and by number, and what a task is stays', async () => {
  const { retention } = aConfig()
  const kept = { ...retention, journal: 2 * HOUR, journalRows: 40 }
  const all = await lives({ config: aConfig({ retention: kept, sweeps: { interval: 5 * MIN } }) })
  const events = () => readEvents(all.life.engine.store.sql, { after: 0, limit: 10_000 })
  const submit = async (id: string) => {
    await all.submit({}, { ms: 1_000, commits: 1 }, id)
    await all.rest(id)
  }
  for (let number = 0; number < 12; number++) await submit(`many-${number}`)
  const before = events()
  expect(before.length).toBeGreaterThan(80)
  await all.until(() => false, 10 * MIN)
  // By number: the newest stay, and their numbers with them.
  expect(events()).toEqual(before.slice(-40))
  await all.until(() => false, 3 * HOUR)
  // The newest stays, whatever its age: the numbers go on from it.
  expect(events()).toEqual(before.slice(-1))
  await submit('later')
  expect(events().at(-1)?.seq).toBeGreaterThan(before.at(-1)?.seq ?? 0)
  expect(all.life.task('many-3')).toMatchObject({ status: 'completed', verdict: 'unverified' })
  all.end()
})

it('87 retention: what a run was told goes after it, read or not', async () => {
  const kept = { ...aConfig().retention, journal: 2 * HOUR }
  const all = await lives({ config: aConfig({ retention: kept, sweeps: { interval: 5 * MIN } }) })
  const told = () => all.life.engine.store.sql.all('select kind, consumed from inbox order by id')
  await all.submit({ check: 'true' }, { ms: 1_000, commits: 1 })
  await all.rest()
  // The end of the session led to what came next; that of the check was only looked at.
  expect(told()).toEqual([
    { kind: 'workspace_ready', consumed: 1 },
    { kind: 'session_exited', consumed: 1 },
    { kind: 'session_exited', consumed: 0 },
  ])
  await all.submit({}, { ms: 9 * HOUR, busy: true }, 'long')
  await all.until(() => all.life.task('long').step === 'running', HOUR)
  await all.until(() => false, 3 * HOUR)
  expect(told()).toEqual([])
  all.end()
})
