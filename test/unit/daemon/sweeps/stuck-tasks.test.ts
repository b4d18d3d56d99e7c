/** Tasks that should be moving and are not: found, given their wake back, ended only when nothing legal takes so long. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { cleanups, stuckTasks } from '../../../../daemon/sweeps/stuck-tasks.ts'
import { addCleanup, cleanupsOf } from '../../../../src/store/tables/cleanups.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
/** What the sweep asked the loop for. */
let scheduled: unknown[]
let isKnown: boolean
beforeEach(async () => {
  all = await lives()
  scheduled = []
  isKnown = true
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const parts = {} as SweepParts
const { signal } = new AbortController()
function engine() {
  const { engine } = all.life
  const loop = {
    ...engine.loop,
    knows: () => isKnown,
    schedule: (...about: unknown[]) => void scheduled.push(about),
  }
  return { ...engine, loop }
}
const sweep = () => stuckTasks.run(engine(), parts, signal)
const nothing = { adopted: 0, rescheduled: 0, ended: 0 }
async function runs(): Promise<string> {
  const id = await all.submit({}, { commits: 1, ms: 30 * MIN, busy: true })
  expect(await all.until(() => all.life.task(id).step === 'running', HOUR)).toBe(true)
  return id
}

describe('a task', () => {
  it('that moves is left alone, and so is a row that cannot be read', async () => {
    await runs()
    expect([await sweep(), scheduled]).toEqual([nothing, []])
    sql().run("update attempts set facts = '{' where task_id = 'task-1'")
    isKnown = false
    expect([await sweep(), scheduled]).toEqual([nothing, []])
  })

  it('that nothing would wake gets its wake back', async () => {
    const id = await runs()
    isKnown = false
    expect(await sweep()).toEqual({ ...nothing, rescheduled: 1 })
    expect(scheduled).toEqual([[`task:${id}/1`, all.life.task(id).wakeAt]])
  })

  it('is ended when it is past its deadline by more than a silent node is given, and not before', async () => {
    const id = await runs()
    const { lostAfter } = all.life.engine.config.nodes
    const deadline = (at: number) => sql().run('update attempts set deadline_at = ? where task_id = ?', at, id)
    const latest = now() - lostAfter - MIN
    all.life.world.clock.jump(0)
    deadline(latest)
    const { epochAt } = all.life.engine.loop
    const since = (at: number) => ({ ...engine(), loop: { ...engine().loop, epochAt: () => at } })
    expect(await stuckTasks.run(since(0), parts, signal)).toEqual(nothing)
    deadline(latest - 1)
    // Nothing was looked at for a while: the deadline counts from then.
    expect(await stuckTasks.run(since(epochAt()), parts, signal)).toEqual(nothing)
    expect(await stuckTasks.run(since(0), parts, signal)).toEqual({ ...nothing, ended: 1 })
    expect(all.life.task(id)).toMatchObject({ status: 'failed', verdict: 'timeout', step: 'salvage' })
    // Work on its way home is never given up by a sweep.
    deadline(0)
    expect(await stuckTasks.run(since(0), parts, signal)).toEqual(nothing)
    sql().run('update attempts set deadline_at = null')
    expect(await stuckTasks.run(since(0), parts, signal)).toEqual(nothing)
  })

  it('in its cleanup is not ended either', async () => {
    const id = await runs()
    sql().run("update attempts set deadline_at = 0, step = 'cleanup' where task_id = ?", id)
    const late = { ...engine(), loop: { ...engine().loop, epochAt: () => 0 } }
    expect(await stuckTasks.run(late, parts, signal)).toEqual(nothing)
  })
})

describe('an attempt that no engine manages', () => {
  const facts = (value: object) => JSON.stringify(value)
  const session = { status: 'running', exitCode: null, signal: null, resumeRef: null }
  const exit = { code: 0, signal: null, reason: null }

  it.each([
    ['has run and ended', { facts: facts({ session, exit }) }, 'salvage'],
    ['runs', { facts: facts({ session }) }, 'running'],
    ['may have been started', { facts: facts({}) }, 'agent_session'],
    ['has its workspace alone', { facts: facts({}), session_id: null }, 'workspace_creation'],
    ['has no workspace', { workspace_id: 'another', status: 'delegated' }, 'node_selection'],
    ['is judged, its work not saved', { facts: facts({}), verdict: 'timeout', status: 'failed' }, 'salvage'],
    ['is judged and saved', { facts: facts({ saved: true }), verdict: 'timeout', status: 'failed' }, 'cleanup'],
    [
      'is judged and never ran',
      { facts: facts({}), verdict: 'timeout', status: 'failed', session_id: null },
      'cleanup',
    ],
  ])('goes on where its facts say when it %s', async (_, columns, step) => {
    const id = await runs()
    for (const [column, value] of Object.entries({ engine_version: null, ...columns })) {
      sql().run(`update attempts set ${column} = ? where task_id = ?`, value, id)
    }
    expect(await sweep()).toEqual({ ...nothing, adopted: 1 })
    expect(all.life.task(id)).toMatchObject({ step, engineVersion: 1 })
    expect(all.life.engine.queue.has({ id, attempt: 1 })).toBe(step === 'node_selection')
  })
})

describe('what a cleanup had to leave', () => {
  const item = { attempt: 1, kind: 'delete_workspace', nodeName: 'n1', subject: 'task-1-1-1', dueAt: 0 } as const
  const state = () => cleanupsOf(sql(), { id: 'task-1', attempt: 1 }).map(one => [one.kind, one.state])

  it('is tried again when its task does so no more, and counted when all of it is done', async () => {
    const id = await all.submit()
    expect(await all.rest(id)).toBe(true)
    sql().run('delete from cleanups')
    addCleanup(sql(), { id, ...item })
    expect(await cleanups.run(all.life.engine, parts, signal)).toEqual({ finished: 1 })
    expect(state()).toEqual([['delete_workspace', 'done']])
    expect(await cleanups.run(all.life.engine, parts, signal)).toEqual({ finished: 0 })
  })

  it('stays when its node does not answer', async () => {
    const id = await all.submit()
    await all.rest(id)
    sql().run('delete from cleanups')
    addCleanup(sql(), { id, ...item })
    all.agent().faults.down = true
    expect(await cleanups.run(all.life.engine, parts, signal)).toEqual({ finished: 0 })
    expect(state()).toEqual([['delete_workspace', 'pending']])
  })

  it.each([
    ['is in its cleanup', 'cleanup', {}, 'pending'],
    ['waits for its work', 'salvage', { held: true }, 'pending'],
    ['saves its work', 'salvage', {}, 'done'],
  ])('is left to a task that %s itself', async (_, step, facts, expected) => {
    const id = await runs()
    sql().run('update attempts set step = ?, facts = ? where task_id = ?', step, JSON.stringify(facts), id)
    addCleanup(sql(), { id, ...item })
    await cleanups.run(all.life.engine, parts, signal)
    expect(state()).toEqual([['delete_workspace', expected]])
  })
})

it('cleanups are looked at every half minute, or as often as all the sweeps', () => {
  const { config } = all.life.engine
  expect(cleanups.everyMs({ ...config, sweeps: { ...config.sweeps, interval: HOUR } })).toBe(30_000)
  expect(cleanups.everyMs({ ...config, sweeps: { ...config.sweeps, interval: 10_000 } })).toBe(10_000)
  expect(stuckTasks.everyMs({ ...config, sweeps: { ...config.sweeps, interval: HOUR } })).toBe(HOUR)
})
