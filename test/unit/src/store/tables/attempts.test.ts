/** Tasks and attempts as rows: what is stored comes back, what is guarded is never overwritten, filters mean what they say. */
import { describe, expect, it } from 'vitest'
import type { Task } from '../../../../../src/core/task.ts'
import {
  insertAttempt,
  listRecent,
  listTasks,
  readAttempt,
  readLive,
  readNewestAttempt,
  unsavedAttemptsOn,
  updateAttempt,
  usagesBefore,
  wakeAttempt,
} from '../../../../../src/store/tables/attempts.ts'
import {
  countByStatus,
  countLive,
  deleteTask,
  findByIdempotencyKey,
  findByPrefix,
  insertTask,
  lastId,
  newestKey,
  oldestQueuedAt,
  raiseAttempt,
  readWaiting,
  taskNumber,
} from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { databasePerTest } from './database.ts'

const sql = databasePerTest()

function add(change: Partial<Task> = {}, idempotencyKey: string | null = null): Task {
  const task = aTask(change)
  const { id, spec, createdAt } = task
  const idempotencyHash = idempotencyKey && `hash of ${idempotencyKey}`
  insertTask(sql(), { id, spec, idempotencyKey, idempotencyHash, createdAt })
  if (task.attempt > 1) raiseAttempt(sql(), id, task.attempt)
  // An attempt begins as a live one.
  expect(insertAttempt(sql(), task.step === null ? { ...task, step: 'cleanup', wakeAt: 0 } : task)).toBe(true)
  if (task.step === null) updateAttempt(sql(), seen(id, task.attempt), task, task.updatedAt)
  return task
}
const seen = (id: string, attempt = 1) => {
  const task = readAttempt(sql(), { id, attempt })
  if (!task) throw new Error(`no attempt ${id}/${attempt}`)
  return task
}
const over = { status: 'completed', step: null, wakeAt: null } as const
const listed = (filter: Omit<Parameters<typeof listTasks>[1], 'limit'> = {}, limit = 100) =>
  listTasks(sql(), { ...filter, limit }).tasks.map(({ id }) => id)

describe('an attempt', () => {
  it('comes back as it was stored, every property of it', () => {
    const task = add({
      ...{ facts: { saved: true }, waitingFor: 'a slot', deadlineAt: 9, nodeName: 'n1', workspaceId: 'w' },
      ...{ sessionId: 's', parkedUntil: 8, absoluteAt: 7, startedAt: 6, createdAt: 5 },
    })
    expect(seen('t1')).toEqual({ ...task, wakes: 0 })
    expect(readAttempt(sql(), { id: 't1', attempt: 2 })).toBeUndefined()
    expect(readAttempt(sql(), { id: 't2', attempt: 1 })).toBeUndefined()
  })

  it('is stored once', () => {
    const task = add()
    expect(insertAttempt(sql(), { ...task, waitingFor: 'another' })).toBe(false)
    expect(seen('t1').waitingFor).toBeNull()
  })

  it('takes an outcome, and refuses a second one that was made from the same read', () => {
    add()
    const before = seen('t1')
    const outcome = { ...before, step: 'running', status: 'in_progress', wakeAt: 50, verdict: null } as const
    const stored = updateAttempt(sql(), before, outcome, 10)
    expect(stored).toEqual({ ...outcome, rev: 1 })
    expect(seen('t1')).toEqual(stored)
    expect(updateAttempt(sql(), before, { ...outcome, step: 'salvage' }, 10)).toBe(false)
    expect(seen('t1').step).toBe('running')
  })

  it('that is over has no wake, and is live no more', () => {
    add()
    const stored = updateAttempt(sql(), seen('t1'), { ...seen('t1'), ...over, wakeAt: 50, verdict: 'verified' }, 10)
    expect(stored).toMatchObject({ wakeAt: null, verdict: 'verified' })
    expect([readLive(sql()), wakeAttempt(sql(), { id: 't1', attempt: 1 }, 5)]).toEqual([[], false])
    expect(seen('t1')).toMatchObject({ step: null, wakeAt: null, status: 'completed' })
  })

  it('that was deleted meanwhile takes no outcome', () => {
    add()
    const before = seen('t1')
    deleteTask(sql(), 't1')
    expect(updateAttempt(sql(), before, before, 1)).toBe(false)
  })

  it('is woken earlier, never later, and its writer sees that it was', () => {
    add({ wakeAt: 100 })
    const before = seen('t1')
    expect([wakeAttempt(sql(), { id: 't1', attempt: 1 }, 200), seen('t1').wakeAt]).toEqual([true, 100])
    expect([wakeAttempt(sql(), { id: 't1', attempt: 1 }, 40), seen('t1').wakeAt]).toEqual([true, 40])
    expect(updateAttempt(sql(), before, { ...before, wakeAt: 900 }, 60)).toMatchObject({ wakeAt: 60, wakes: 2, rev: 1 })
  })

  it('is live until its last step is done, with the time of its next look', () => {
    add({ id: 'a', wakeAt: 7 })
    add({ id: 'b', ...over })
    expect(readLive(sql())).toEqual([{ id: 'a', attempt: 1, wakeAt: 7 }])
  })

  it('counts what earlier ones of its task used, and says so of work that is not home', () => {
    const usage = { costUsd: 1 } as Task['usage']
    add({ ...over, usage })
    add({ attempt: 2, ...over, usage: null })
    add({ attempt: 3, nodeName: 'n1', workspaceId: 'w3', step: 'running', status: 'in_progress', usage })
    expect(usagesBefore(sql(), { id: 't1', attempt: 3 })).toEqual([usage])
    expect(usagesBefore(sql(), { id: 't1', attempt: 1 })).toEqual([])
    expect([unsavedAttemptsOn(sql(), 'n1'), unsavedAttemptsOn(sql(), 'n2')]).toEqual([1, 0])
    const { wakeAt: _, ...rest } = seen('t1', 3)
    updateAttempt(sql(), seen('t1', 3), { ...rest, step: 'cleanup', wakeAt: 1 }, 1)
    expect(unsavedAttemptsOn(sql(), 'n1')).toBe(0)
  })
})

describe('a list of tasks', () => {
  it('has the newest first, each once by its newest attempt, and no more than are asked for', () => {
    add({ id: 'a', ...over })
    add({ id: 'b' })
    add({ id: 'a', attempt: 2 })
    expect([listed(), listed({}, 1)]).toEqual([['b', 'a'], ['b']])
    expect([readNewestAttempt(sql(), 'a')?.attempt, readNewestAttempt(sql(), 'c')]).toEqual([2, undefined])
    expect(newestKey(sql(), 'a')).toEqual({ id: 'a', attempt: 2 })
    expect(newestKey(sql(), 'c')).toBeUndefined()
  })

  it('is narrowed by status, by labels that all hold, and by times', () => {
    add({ id: 'a', ...over, completedAt: 100, createdAt: 1, spec: aSpec({ labels: { team: 'x', kind: 'y' } }) })
    add({ id: 'b', ...over, status: 'failed', completedAt: 200, createdAt: 2, spec: aSpec({ labels: { team: 'x' } }) })
    add({ id: 'c', createdAt: 3 })
    add({ id: 'd', status: 'completed', step: 'cleanup', completedAt: 50, createdAt: 4 })
    expect(listed({ statuses: [] })).toEqual(['d', 'c', 'b', 'a'])
    expect(listed({ statuses: ['failed', 'queued'] })).toEqual(['c', 'b'])
    expect(listed({ labels: [['team', 'x']] })).toEqual(['b', 'a'])
    expect(
      listed({
        labels: [
          ['team', 'x'],
          ['kind', 'y'],
        ],
      }),
    ).toEqual(['a'])
    expect(listed({ endedBefore: 200 })).toEqual(['a'])
    expect(listed({ createdAfter: 3 })).toEqual(['d', 'c'])
    expect(listed({ createdAfter: 2, endedBefore: 900, statuses: ['failed'] })).toEqual(['b'])
  })

  it('is read in pages, the next one behind the last row, also when that is damaged', () => {
    for (const id of ['a', 'b', 'c']) add({ id })
    sql().run("update attempts set facts = '{' where task_id = 'b'")
    const first = listTasks(sql(), { limit: 2 })
    expect([first.tasks.map(({ id }) => id), first.next]).toEqual([['c'], 2])
    const rest = listTasks(sql(), { limit: 2, before: 2 })
    expect([rest.tasks.map(({ id }) => id), rest.next]).toEqual([['a'], null])
    expect(listTasks(sql(), { limit: 0 })).toEqual({ tasks: [], next: null })
  })

  it('that is short has what is live, and what ended last of any status, each by its newest attempt', () => {
    add({ id: 'a', ...over, completedAt: 900 })
    add({ id: 'b' })
    add({ id: 'c', ...over, status: 'failed', completedAt: 300 })
    add({ id: 'd', ...over, status: 'cancelled', completedAt: 200 })
    add({ id: 'e', ...over, status: 'failed', completedAt: 950 })
    add({ id: 'e', attempt: 2, status: 'parked' })
    const recent = (ended: number) => listRecent(sql(), ended).map(({ id, attempt }) => `${id}/${attempt}`)
    expect([recent(2), recent(0)]).toEqual([
      ['e/2', 'c/1', 'b/1', 'a/1'],
      ['e/2', 'b/1'],
    ])
  })

  it('is counted by status, all of them or those that have something to do', () => {
    add({ id: 'a', ...over })
    add({ id: 'a', attempt: 2 })
    add({ id: 'b', ...over, status: 'failed' })
    expect([countByStatus(sql()), countLive(sql())]).toEqual([{ queued: 1, failed: 1 }, { queued: 1 }])
  })

  it('leaves out a row that is damaged, and shows the others', () => {
    add({ id: 'a' })
    add({ id: 'b' })
    sql().run("update attempts set facts = '{' where task_id = 'a'")
    expect(listed()).toEqual(['b'])
    const message = 'the column "facts" of a is damaged'
    expect(() => seen('a')).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT', message }))
  })
})

describe('a task', () => {
  it('has a number that counts up, and is known by its id, its beginning and its key', () => {
    expect([lastId(sql()), oldestQueuedAt(sql()), taskNumber(sql(), 'ab1')]).toEqual([undefined, null, 0])
    add({ id: 'ab1', createdAt: 5 }, 'key')
    add({ id: 'ab2', createdAt: 9 })
    add({ id: 'b', ...over, createdAt: 1 })
    expect(insertTask(sql(), { ...aTask(), id: 'b', idempotencyKey: null, idempotencyHash: null })).toBe(false)
    expect(['ab1', 'ab2', 'b'].map(id => taskNumber(sql(), id))).toEqual([1, 2, 3])
    expect([findByPrefix(sql(), 'ab'), findByPrefix(sql(), 'ab2'), findByPrefix(sql(), 'x')]).toEqual([
      ['ab1', 'ab2'],
      ['ab2'],
      [],
    ])
    expect([lastId(sql()), oldestQueuedAt(sql())]).toEqual(['b', 5])
    add({ id: 'c', ...over, createdAt: 1, spec: aSpec({ labels: { landing: 'ab2' } }) })
    expect(lastId(sql())).toBe('b')
    add({ id: 'd', ...over, createdAt: 1, spec: aSpec({ labels: { landing: 'page' } }) })
    expect(lastId(sql())).toBe('d')
    expect(findByIdempotencyKey(sql(), 'key')).toEqual({ id: 'ab1', hash: 'hash of key' })
    expect(findByIdempotencyKey(sql(), 'other')).toBeUndefined()
  })

  it('goes up one attempt at a time', () => {
    add()
    raiseAttempt(sql(), 't1', 3)
    expect(newestKey(sql(), 't1')?.attempt).toBe(1)
    raiseAttempt(sql(), 't1', 2)
    expect(newestKey(sql(), 't1')?.attempt).toBe(2)
  })

  it('waits while it is queued and holds no reservation', () => {
    add({ id: 'a' })
    add({ id: 'b', status: 'parked' })
    add({ id: 'c' })
    sql().run("insert into reservations (task_id, attempt, node_name, created_at) values ('c', 1, 'n1', 0)")
    expect(readWaiting(sql())).toEqual([{ id: 'a', attempt: 1, spec: aSpec() }])
  })
})
