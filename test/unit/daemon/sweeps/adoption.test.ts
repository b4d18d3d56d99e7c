/** Attempts that no engine manages: as an older program, or one that was half undone, has left them. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { due } from '../../../../src/store/tables/outbox.ts'
import { HOUR, type Lives, lives } from '../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives()
})
afterEach(() => all.end())

const failures = () =>
  due(all.life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)
const said = () => failures().map(({ message }) => String(message))

const STEPS = ['node_selection', 'running', 'awaiting_followup'] as const

it.each(STEPS)('an attempt that was at %s goes on where its facts say, and nothing is begun twice', async step => {
  if (step === 'node_selection') all.life.engine.admission.set('drain', 'nothing begins')
  const id = await all.submit({ interactive: step === 'awaiting_followup' }, { commits: 1, ms: HOUR / 2, busy: true })
  await all.until(() => all.life.task(id).step === step, HOUR)
  all.life.engine.store.sql.run("update attempts set engine_version = null, step = 'waiting_for_vm', wake_at = 9e12")
  await all.die()
  await all.begin()
  await all.until(() => all.life.task(id).engineVersion === 1, HOUR)
  expect(said().join('\n')).toContain(`task ${id} was not managed by any engine`)
  expect(failures().at(-1)).toMatchObject({ level: 'warn' })
  if (step === 'awaiting_followup') await all.life.engine.signal({ kind: 'close', taskId: id })
  expect(await all.rest(id)).toBe(true)
  expect(all.life.task(id)).toMatchObject({ status: 'completed', attempt: 1, placement: 1 })
  expect([...all.agent().starts.values()]).toEqual([1])
})

it('an attempt that ran and whose workspace is gone ends as infrastructure, and keeps no other from being looked at', async () => {
  const first = await all.submit({}, { commits: 1, ms: HOUR / 2, busy: true })
  const second = await all.submit({}, { commits: 1, ms: HOUR / 2, busy: true }, 'task-2')
  await all.until(() => [first, second].every(id => all.life.task(id).step === 'running'), HOUR)
  const { sql } = all.life.engine.store
  sql.run("update attempts set engine_version = null, step = 'waiting_for_vm', wake_at = 9e12")
  sql.run('update workspaces set released_at = 1 where task_id = ?', first)
  await all.die()
  await all.begin()
  await all.until(() => [first, second].every(id => all.life.task(id).engineVersion === 1), HOUR)
  expect(all.life.task(first)).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
  expect(all.life.task(first).error).toMatchObject({ code: 'WORKSPACE_GONE' })
  expect(await all.rest(second)).toBe(true)
  expect(all.life.task(second)).toMatchObject({ status: 'completed', error: null })
})
