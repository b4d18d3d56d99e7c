/** The work of an attempt that is over and came home later, or never: what is saved, what is on record, what goes on waiting. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openContinued } from '../../../../../daemon/engine/attempts.ts'
import { saveLate, undo, undoItem } from '../../../../../daemon/engine/cleanup.ts'
import { discardWork, settleCleanup } from '../../../../../daemon/engine/effects/discard.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import { spentSince } from '../../../../../src/store/spending/spending.ts'
import { addCleanup, type CleanupItem, cleanupsOf } from '../../../../../src/store/tables/cleanups.ts'
import { readNewestEvents } from '../../../../../src/store/tables/journal.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import { readWorkspace } from '../../../../../src/store/tables/slots.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
const key = { id: 'task-1', attempt: 1 }
/** What the node cannot give, by name. */
let missing: string[]
beforeEach(async () => {
  missing = []
  all = await lives()
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
  all.out.results.missing = async () => missing
  await all.submit({}, { commits: 1, hangs: true, busy: true })
  expect(await all.until(() => all.life.task('task-1').step === 'running', HOUR)).toBe(true)
  // The attempt is over, and nothing of it is saved: the node was out of reach until now.
  sql().run("update attempts set status = 'failed', step = null, live = 0, wake_at = null, completed_at = ?", now())
})
afterEach(() => all.end())

const engine = () => all.life.engine
const sql = () => engine().store.sql
const now = () => all.life.world.clock.now()
const task = () => all.life.task('task-1')
const { signal } = new AbortController()
const asked = () => all.agent().requests
const events = (type: string) => readNewestEvents(sql(), 'task-1', 1_000).filter(event => event.type === type)
const salvages = () => asked().filter(line => line.endsWith('/salvage')).length
const session = () => {
  const found = all.agent().workspaces.get('task-1-1-1')?.sessions.get('task-1-1-1-s1')
  if (!found) throw new Error('no session')
  return found
}
const anItem = (kind: CleanupItem['kind']): CleanupItem => {
  addCleanup(sql(), { ...key, kind, nodeName: 'n1', subject: 'task-1-1-1', dueAt: 0 })
  const item = cleanupsOf(sql(), key).find(one => one.kind === kind)
  if (!item) throw new Error('no item')
  return item
}
const ended = () => {
  Object.assign(session(), { status: 'exited', exitCode: 0, endedAt: now() })
  Object.assign(all.agent().workspaces.get('task-1-1-1') ?? {}, { head: '2'.repeat(40), ahead: 1 })
}

describe('a late save', () => {
  it('ends an agent that still runs, and saves nothing of it before', async () => {
    const busy = { code: 'AGENT_BUSY', retryAfterMs: 2_000 }
    await expect(saveLate(engine(), anItem('salvage'), signal)).rejects.toMatchObject(busy)
    expect(asked().some(line => line.endsWith('/agent-sessions/task-1-1-1-s1/cancel'))).toBe(true)
    expect(salvages()).toBe(0)
  })

  it('fills in what the attempt did, on record, and holds no machine any more', async () => {
    ended()
    sql().run(`update attempts set facts = json_set(facts, '$.held', json('true'))`)
    await saveLate(engine(), anItem('salvage'), signal)
    const commit = task().facts.salvage?.commit
    expect(commit).toMatch(/^[0-9a-f]{40}$/)
    expect(task()).toMatchObject({
      status: 'failed',
      facts: { saved: true, held: false, kept: false },
      result: { commit, ahead: 1 },
    })
    expect(task().updatedAt).toBe(now())
    expect(events('task.saved')).toMatchObject([{ attempt: 1, nodeName: 'n1', data: { commit, late: true } }])
  })

  it('counts what the agent used to its end, once', async () => {
    ended()
    session().script.says = { usage: { inputTokens: 7, outputTokens: 3, costUsd: 0.5 } }
    const item = anItem('salvage')
    await saveLate(engine(), item, signal)
    await saveLate(engine(), item, signal)
    expect(task().usage).toEqual({ inputTokens: 7, outputTokens: 3, costUsd: 0.5 })
    expect(spentSince(sql(), 0).costUsd).toBe(0.5)
  })

  it('lets those go on that were held for want of it', async () => {
    ended()
    const after = { ids: ['task-1'], from: ['task-1'], if: 'ended', onFailed: 'hold' } as const
    await all.submit({ after: { ...after, ids: [...after.ids], from: [...after.from] } }, {}, 'task-2')
    await all.submit({ after: { ...after, ids: [...after.ids], from: [...after.from], if: 'ok' } }, {}, 'task-3')
    expect([all.life.task('task-2').facts, all.life.task('task-3').facts]).toMatchObject([
      { awaits: 'predecessors', blocked: { by: ['task-1'] } },
      { awaits: 'predecessors', blocked: { by: ['task-1'] } },
    ])
    await saveLate(engine(), anItem('salvage'), signal)
    expect(all.life.task('task-2').facts).toMatchObject({ awaits: 'base', blocked: null })
    expect(all.life.task('task-3').facts).toMatchObject({ awaits: 'predecessors', blocked: { by: ['task-1'] } })
    expect(await all.rest('task-2')).toBe(true)
    expect(all.life.task('task-2')).toMatchObject({ status: 'completed', facts: { resume: { isBase: true } } })
  })

  it('says so where the attempt ended because its work could not be had', async () => {
    ended()
    const error = { step: 'salvage', code: 'SALVAGE_FAILED', class: 'transient', message: 'the work is still on n1' }
    sql().run('update attempts set error = ?', JSON.stringify(error))
    missing = ['a']
    await expect(saveLate(engine(), anItem('salvage'), signal)).rejects.toThrow('not all of it')
    expect(task().error?.message).toBe('the work is still on n1')
    missing = []
    await saveLate(engine(), anItem('salvage'), signal)
    const message = 'the work of task-1 came home from n1 after held_max: it is saved, and was not judged'
    expect(task().error).toEqual({ ...error, message, hint: 'tdf diff task-1@1' })
  })

  it('goes on waiting for what cannot be read, and names it, until held_max is over', async () => {
    ended()
    missing = ['a', 'b', 'c', 'd', 'e', 'f']
    const item = anItem('salvage')
    const failed = { code: 'SALVAGE_FAILED', message: 'not all of it can be read: a, b, c, d, e, …' }
    await expect(saveLate(engine(), item, signal)).rejects.toMatchObject(failed)
    expect(task().facts).toMatchObject({ saved: true, kept: true })
    expect([events('task.saved'), events('task.work_discarded')]).toEqual([[], []])
    missing = ['a', 'b', 'c', 'd', 'e']
    const { heldMax } = engine().config.nodes
    sql().run('update attempts set completed_at = ?', now() - heldMax + 1)
    await expect(saveLate(engine(), item, signal)).rejects.toThrow(/: a, b, c, d, e$/)
    sql().run('update attempts set completed_at = ?', now() - heldMax)
    await saveLate(engine(), item, signal)
    const reason = 'it could not be read within held_max: a, b, c, d, e'
    expect(events('task.work_discarded')).toMatchObject([
      { attempt: 1, nodeName: 'n1', data: { reason, workspace: 'task-1-1-1' } },
    ])
    const told = due(sql(), 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)
    const message = `the work of task-1 (attempt 1) on n1 was given up: ${reason}`
    expect(told.filter(({ code }) => code === 'WORK_DISCARDED')).toMatchObject([{ message, step: 'salvage' }])
  })

  it('leaves the result as it was judged, where a part of it was kept back then', async () => {
    ended()
    const judged = { ...task().result, commit: 'f'.repeat(40), ahead: 7 }
    sql().run(`update attempts set result = ?, facts = json_set(facts, '$.kept', json('true'))`, JSON.stringify(judged))
    const item = anItem('salvage')
    await saveLate(engine(), item, signal)
    expect(task()).toMatchObject({ result: { ahead: 7 }, facts: { kept: false, saved: true } })
    await saveLate(engine(), item, signal)
    expect(task().result).toMatchObject({ ahead: 1 })
  })

  it('has nothing to do where the machine, the workspace or the task is gone', async () => {
    const item = anItem('salvage')
    await saveLate(engine(), { ...item, id: 'other' }, signal)
    await saveLate(engine(), { ...item, nodeName: 'n9' }, signal)
    await saveLate(engine(), { ...item, subject: 'another' }, signal)
    sql().run("update nodes set status = 'destroyed'")
    const before = asked().length
    await saveLate(engine(), item, signal)
    expect([asked().length - before, salvages(), task().facts.saved]).toEqual([0, 0, undefined])
  })
})

describe('an item of a cleanup', () => {
  it.each([
    ['workspace', () => void all.agent().workspaces.clear()],
    ['machine', () => void sql().run("update nodes set status = 'destroyed'")],
  ])('takes what was saved on the way for the result where the %s is gone, once that can be read', async (_, lose) => {
    const { results } = engine()
    const salvaged = {
      commit: '3'.repeat(40),
      baseCommit: '1'.repeat(40),
      ahead: 1,
      salvaged: false,
      saved: [],
      leftOut: [],
    }
    const take = results.takeCheckpoint
    const failing = (code: 'DISK_LOW' | 'WORKSPACE_GONE') => async () => {
      throw new TdfError(code, 'no')
    }
    lose()
    const item = anItem('salvage')
    results.takeCheckpoint = failing('DISK_LOW')
    await expect(saveLate(engine(), item, signal)).rejects.toMatchObject({ code: 'DISK_LOW' })
    results.takeCheckpoint = failing('WORKSPACE_GONE')
    await saveLate(engine(), item, signal)
    results.takeCheckpoint = take
    await saveLate(engine(), item, signal)
    expect(task().result).toBeNull()
    results.takeCheckpoint = async () => salvaged
    await saveLate(engine(), item, signal)
    expect(task()).toMatchObject({
      status: 'failed',
      result: { commit: salvaged.commit },
      facts: { salvage: salvaged },
    })
    // What is there stays.
    results.takeCheckpoint = async () => ({ ...salvaged, commit: '4'.repeat(40) })
    await saveLate(engine(), item, signal)
    expect(task().result?.commit).toBe(salvaged.commit)
  })

  it('that fails is due again later, with the reason, and counts its tries', async () => {
    const item = anItem('stop_workspace')
    all.agent().faults.down = true
    expect(await undoItem(engine(), item, signal)).toBe(false)
    const [left] = cleanupsOf(sql(), key)
    expect(left).toMatchObject({ state: 'pending', tries: 1, error: expect.any(String) })
    expect(left?.dueAt).toBeGreaterThan(now())
    // What comes later in the order waits for it.
    addCleanup(sql(), { ...item, kind: 'delete_workspace', dueAt: 0 })
    all.agent().faults.down = false
    expect((await undo(engine(), key, signal)).map(({ kind }) => kind)).toEqual(['stop_workspace', 'delete_workspace'])
    expect(all.agent().workspaces.size).toBe(1)
  })

  it('that is interrupted is no try', async () => {
    const item = anItem('stop_workspace')
    all.agent().faults.down = true
    await expect(undoItem(engine(), item, AbortSignal.abort(new Error('the daemon stops')))).rejects.toThrow()
    expect(cleanupsOf(sql(), key)).toMatchObject([{ tries: 0, error: null }])
  })

  it('is confirmed with what it makes of the workspace: stopped, then deleted and its slot free', async () => {
    let passes = 0
    const own = { ...engine(), placementChanged: () => void passes++ }
    expect(await undoItem(own, anItem('stop_workspace'), signal)).toBe(true)
    expect(readWorkspace(sql(), 'task-1-1-1')).toMatchObject({ status: 'stopped', releasedAt: null })
    sql().run('update nodes set wake_at = ?', now() + HOUR)
    expect(passes).toBe(0)
    const item = anItem('delete_workspace')
    expect(await undoItem(own, item, signal)).toBe(true)
    expect(readWorkspace(sql(), 'task-1-1-1')).toMatchObject({ status: 'deleted', releasedAt: now() })
    expect([passes, readNode(sql(), 'n1')?.wakeAt]).toEqual([1, now()])
    expect(await undoItem(own, item, signal)).toBe(true)
    expect(passes).toBe(1)
  })
})

it('a workspace that is gone already gives nothing, and is deleted all the same', async () => {
  all.agent().workspaces.clear()
  sql().run('update attempts set error = ?', JSON.stringify({ step: 'agent_session', code: 'X', message: 'x' }))
  expect(await undoItem(engine(), anItem('delete_workspace'), signal)).toBe(true)
  expect(salvages()).toBe(0)
})

describe('a task whose work was saved in part and is asked for', () => {
  const request = { key: 'k', hash: 'h', change: { prompt: 'more' } }
  const goOn = () => engine().store.commit(() => openContinued(engine(), task(), request))
  beforeEach(() => {
    const salvage = { commit: 'c'.repeat(40), baseCommit: 'b'.repeat(40), ahead: 1, salvaged: false }
    const facts = JSON.stringify({ ...task().facts, held: true, salvage })
    sql().run('update attempts set facts = ?, result = ?', facts, JSON.stringify({ commit: salvage.commit, ahead: 1 }))
    anItem('salvage')
  })

  it('does not go on from the part while the rest may come', async () => {
    await expect(goOn()).rejects.toMatchObject({ code: 'WRONG_STATE', hint: 'tdf why task-1' })
    expect(task().attempt).toBe(1)
  })

  it('goes on from the part once the rest was given up', async () => {
    await engine().store.commit(() => discardWork(engine(), 'n1', 'by hand'))
    expect(await goOn()).toEqual({ id: 'task-1', attempt: 2 })
    expect(task().continued).toMatchObject({ of: 1, from: { commit: 'c'.repeat(40) } })
  })
})

describe('a workspace that goes', () => {
  const failedAt = (step: string) =>
    sql().run('update attempts set error = ?', JSON.stringify({ step, code: 'NODE_UNREACHABLE', message: 'no answer' }))

  it('gives what a start that was never answered did after the work was saved', async () => {
    ended()
    failedAt('agent_session')
    await undoItem(engine(), anItem('delete_workspace'), signal)
    expect(salvages()).toBe(1)
    expect(task().facts).toMatchObject({ saved: true, salvage: { ahead: 1 } })
    expect(events('task.saved')).toHaveLength(1)
    expect(all.agent().workspaces.size).toBe(0)
  })

  it('gives nothing twice', async () => {
    ended()
    failedAt('agent_session')
    await saveLate(engine(), anItem('salvage'), signal)
    const { rev } = task()
    await undoItem(engine(), anItem('delete_workspace'), signal)
    expect([task().rev, events('task.saved').length]).toEqual([rev, 1])
  })

  const butWith = (set: string) => {
    failedAt('agent_session')
    sql().run(`update attempts set ${set}`)
  }
  it.each([
    ['that failed elsewhere', () => failedAt('running')],
    ['that failed nowhere', () => {}],
    ['without a session', () => butWith('session_id = null')],
    ['that is elsewhere now', () => butWith("workspace_id = 'x'")],
  ])('is asked for no work of a task %s', async (_, set) => {
    set()
    expect(await undoItem(engine(), anItem('delete_workspace'), signal)).toBe(true)
    expect(salvages()).toBe(0)
  })
})

describe('a cleanup that had failed visibly', () => {
  const settled = (set: string) => {
    sql().run("update attempts set cleanup = 'failed', step = null, live = 0, wake_at = null")
    sql().run('delete from cleanups')
    sql().run(set)
    settleCleanup(engine(), key)
    return task().cleanup
  }

  it('is done once nothing of it is left, and the task is over', () => {
    expect(settled('update attempts set rev = rev')).toBe('done')
    expect(task().updatedAt).toBe(now())
    expect(settled("update attempts set step = 'cleanup', live = 1, wake_at = 1")).toBe('failed')
    expect(settled("update attempts set cleanup = 'pending'")).toBe('pending')
  })
})
