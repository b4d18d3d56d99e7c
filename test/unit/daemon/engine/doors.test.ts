/** The doors of the engine: what is taken, what is answered, what is refused with the next command, and what is left behind. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { undo } from '../../../../daemon/engine/cleanup.ts'
import { discardWork } from '../../../../daemon/engine/effects/discard.ts'
import { removeTask } from '../../../../daemon/engine/effects/remove.ts'
import { parseSubject, taskSubject } from '../../../../daemon/engine/loop.ts'
import { holdNode, loseWorkspaces } from '../../../../daemon/engine/save-node.ts'
import { addCleanup, cleanupsOf } from '../../../../src/store/tables/cleanups.ts'
import { openSignals } from '../../../../src/store/tables/inbox.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { readHeartbeat, readNode } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { readWorkspace } from '../../../../src/store/tables/slots.ts'
import { aSpec } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives()
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
})
afterEach(() => all.end())

const engine = () => all.life.engine
const sql = () => engine().store.sql
const now = () => all.life.world.clock.now()
const { signal } = new AbortController()
const key = { id: 'task-1', attempt: 1 }
const runs = async (change = {}, script = {}) => {
  await all.submit(change, { commits: 1, ms: 30 * MIN, busy: true, ...script })
  expect(await all.until(() => all.life.task('task-1').step === 'running', HOUR)).toBe(true)
}
const over = async () => {
  await all.submit()
  expect(await all.rest()).toBe(true)
}
const said = () => due(sql(), 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)

describe('a submit', () => {
  const about = { spec: aSpec(), idempotencyKey: 'k', idempotencyHash: 'h', createdAt: 1 }

  it('with a key that is known answers the task that has it, and refuses another content', async () => {
    expect(await engine().submit({ id: 'a', ...about })).toEqual({ id: 'a', attempt: 1 })
    expect(await engine().submit({ id: 'b', ...about })).toEqual({ id: 'a', attempt: 1 })
    expect(engine().query('b')).toBeUndefined()
    const conflict = expect.objectContaining({ code: 'IDEMPOTENCY_CONFLICT', hint: 'tdf show a' })
    await expect(engine().submit({ id: 'c', ...about, idempotencyHash: 'other' })).rejects.toThrow(conflict)
    expect(await engine().submit({ id: 'a', ...about, idempotencyKey: null })).toEqual({ id: 'a', attempt: 1 })
  })
})

describe('a further attempt', () => {
  it('is opened once the former one is over, and once', async () => {
    await expect(engine().start('nobody', 2)).rejects.toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    await runs()
    const early = expect.objectContaining({ code: 'WRONG_STATE', hint: 'tdf cancel task-1' })
    await expect(engine().start('task-1', 2)).rejects.toThrow(early)
    expect(await engine().start('task-1', 1)).toEqual(key)
    await all.rest()
    await expect(engine().start('task-1', 3)).rejects.toThrow(expect.objectContaining({ code: 'WRONG_STATE' }))
    expect(await engine().start('task-1', 2, { resume: true })).toEqual({ id: 'task-1', attempt: 2 })
    expect(await engine().start('task-1', 2)).toEqual({ id: 'task-1', attempt: 2 })
    expect(engine().query('task-1')?.facts.resume).toMatchObject({ ref: 'refs/tdf/task-1/1' })
    expect(engine().query('task-1', 1)?.attempt).toBe(1)
  })
})

describe('a signal', () => {
  it('for a task that is not there, or is over, is refused with the reason', async () => {
    const no = { accepted: false, reason: 'there is no such task' }
    expect(await engine().signal({ kind: 'cancel', taskId: 'nobody' })).toEqual(no)
    await over()
    for (const kind of ['cancel', 'close'] as const) {
      const answer = await engine().signal({ kind, taskId: 'task-1' })
      expect(answer).toEqual({ accepted: false, reason: 'the task is completed' })
    }
  })

  it('that is sent again is taken again and counts once', async () => {
    await runs({ interactive: true })
    const followup = { kind: 'followup', taskId: 'task-1', deliveryId: 'd1', text: 'go on' } as const
    expect(await engine().signal(followup)).toEqual({ accepted: true })
    expect(await engine().signal(followup)).toEqual({ accepted: true })
    expect(openSignals(sql(), key).filter(({ kind }) => kind === 'followup').length).toBeLessThanOrEqual(1)
  })

  it.each(['salvage', 'cleanup'])('to go on is refused at %s, where no agent will read it', async step => {
    await runs()
    sql().run('update attempts set step = ?', step)
    const followup = { kind: 'followup', taskId: 'task-1', deliveryId: 'd1', text: 'go on' } as const
    const refused = { accepted: false, reason: 'its agent has ended and takes no more' }
    expect(await engine().signal(followup)).toEqual(refused)
    sql().run("update attempts set status = 'parked', parked_until = 9e12")
    expect(await engine().signal(followup)).toEqual({ accepted: true })
  })

  it('of a node counts when it comes from the state that we know', async () => {
    const { stateId } = readNode(sql(), 'n1') ?? {}
    const beat = { kind: 'heartbeat', name: 'n1', cpuPercent: 11, memoryPercent: 22, diskPercent: 33 } as const
    expect(await engine().signal({ ...beat, stateId: stateId ?? '' })).toEqual({ accepted: true })
    expect(readHeartbeat(sql(), 'n1')).toMatchObject({ at: now(), cpuPercent: 11, memoryPercent: 22, diskPercent: 33 })
    const other = { accepted: false, reason: 'another state of this node is in use' }
    expect(await engine().signal({ ...beat, stateId: 'other', cpuPercent: 99 })).toEqual(other)
    expect(readHeartbeat(sql(), 'n1')).toMatchObject({ cpuPercent: 11 })
    const gone = { accepted: false, reason: 'the node is gone' }
    expect(await engine().signal({ ...beat, name: 'n9', stateId: 'x' })).toEqual(gone)
    sql().run("update nodes set status = 'destroyed'")
    expect(await engine().signal({ ...beat, stateId: stateId ?? '' })).toEqual(gone)
  })
})

describe('a task that is removed', () => {
  const asked: string[][] = []
  const repository = {
    alone: (act: () => Promise<unknown>) => act(),
    save: async () => {},
    async must(args: string[], { input }: { input?: string } = {}) {
      asked.push(input === undefined ? args : [...args, input])
      return args[0] === 'for-each-ref' ? 'delete refs/tdf/task-1/1\ndelete refs/tdf/task-1/1' : ''
    },
  }
  const remove = (attempt = 1) => {
    asked.length = 0
    const task = engine().query('task-1', attempt)
    if (!task) throw new Error('no task')
    return removeTask(engine(), task, repository as never, signal)
  }

  it('has to be over, and the next command is named', async () => {
    await runs()
    const running = 'task task-1 is not over: it is in_progress, at running'
    const early = { code: 'WRONG_STATE', message: running, hint: 'tdf cancel task-1' }
    await expect(remove()).rejects.toThrow(expect.objectContaining(early))
    sql().run("update attempts set status = 'failed'")
    await expect(remove()).rejects.toThrow(expect.objectContaining({ code: 'WRONG_STATE', hint: 'tdf why task-1' }))
  })

  it('leaves neither rows nor refs, and its removal is on record', async () => {
    await over()
    await remove()
    expect(engine().query('task-1')).toBeUndefined()
    expect(asked[0]?.[0]).toBe('for-each-ref')
    expect(asked[0]?.slice(-4)).toEqual([
      'refs/tdf/task-1/**',
      'refs/tdf/task-1/*',
      'refs/tdf-checkpoint/task-1/**',
      'refs/tdf-checkpoint/task-1/*',
    ])
    expect(asked[1]).toEqual(['update-ref', '--stdin', 'delete refs/tdf/task-1/1'])
    const events = readEvents(sql(), { after: 0, limit: 1_000 }).filter(({ taskId }) => taskId === 'task-1')
    expect(events.at(-1)).toMatchObject({ type: 'task.removed', data: { before: 'completed' } })
  })

  it('stays while something of it stands outside, and says what', async () => {
    await over()
    sql().run('delete from cleanups')
    const item = { ...key, nodeName: 'n1', subject: 'task-1-1-1', dueAt: 0 }
    addCleanup(sql(), { ...item, kind: 'delete_workspace' })
    all.agent().faults.down = true
    const stands = expect.objectContaining({ code: 'WRONG_STATE', hint: 'tdf node show n1' })
    await expect(remove()).rejects.toThrow(stands)
    await expect(remove()).rejects.toThrow(String(cleanupsOf(sql(), key)[0]?.error))
    await expect(remove()).rejects.toThrow('its workspace on n1 still stands')
    addCleanup(sql(), { ...item, kind: 'salvage' })
    await expect(remove()).rejects.toThrow('its work is not saved')
    all.agent().faults.down = false
    sql().run('update cleanups set due_at = 0')
    await remove()
    expect(engine().query('task-1')).toBeUndefined()
  })
})

describe('what is undone', () => {
  const item = { ...key, nodeName: 'n1', subject: 'task-1-1-1', dueAt: 0 }
  const states = () => cleanupsOf(sql(), key).map(({ kind, state }) => [kind, state])

  it('goes in order: nothing is deleted before it is saved', async () => {
    await runs({}, { hangs: true })
    all.agent().faults.salvageFails = true
    for (const kind of ['delete_workspace', 'stop_workspace', 'salvage'] as const) addCleanup(sql(), { ...item, kind })
    expect((await undo(engine(), key, signal)).map(({ kind }) => kind)).toEqual([
      'salvage',
      'stop_workspace',
      'delete_workspace',
    ])
    expect(all.agent().workspaces.size).toBe(1)
    all.agent().faults.salvageFails = false
    for (let round = 0; round < 4; round++) {
      sql().run('update cleanups set due_at = 0')
      await all.life.world.clock.advance(5_000)
      await undo(engine(), key, signal)
    }
    expect(states()).toEqual(['salvage', 'stop_workspace', 'delete_workspace'].map(kind => [kind, 'done']))
    expect([all.agent().workspaces.size, readWorkspace(sql(), 'task-1-1-1')?.releasedAt]).toEqual([
      0,
      expect.any(Number),
    ])
  })

  it('waits until it is due, and is done where its machine is gone for good', async () => {
    await over()
    sql().run('delete from cleanups')
    addCleanup(sql(), { ...item, kind: 'stop_workspace', dueAt: now() + 1 })
    expect(await undo(engine(), key, signal)).toHaveLength(1)
    expect(cleanupsOf(sql(), key)[0]).toMatchObject({ tries: 0, error: null })
    sql().run("update cleanups set due_at = 0, node_name = 'n9'")
    expect(await undo(engine(), key, signal)).toEqual([])
  })

  it('settles a cleanup that had failed visibly, once nothing is left of it', async () => {
    await over()
    sql().run("update attempts set cleanup = 'failed'")
    sql().run('delete from cleanups')
    addCleanup(sql(), { ...item, kind: 'stop_workspace' })
    addCleanup(sql(), { ...item, kind: 'delete_workspace', dueAt: now() + HOUR })
    await undo(engine(), key, signal)
    expect(all.life.task('task-1').cleanup).toBe('failed')
    sql().run('update cleanups set due_at = 0')
    await undo(engine(), key, signal)
    expect(all.life.task('task-1').cleanup).toBe('done')
  })

  it('is given up by name, on record, and its task looks again', async () => {
    await runs()
    addCleanup(sql(), { ...item, kind: 'salvage' })
    sql().run('update attempts set wake_at = ?', now() + HOUR)
    expect(await engine().store.commit(() => discardWork(engine(), 'n1', 'by hand'))).toBe(1)
    expect(cleanupsOf(sql(), key)[0]).toMatchObject({ state: 'done', error: 'discarded: by hand' })
    expect(all.life.task('task-1').wakeAt).toBe(now())
    expect(said().some(({ message }) => String(message).includes('by hand'))).toBe(true)
    expect(await engine().store.commit(() => discardWork(engine(), 'n1', 'again'))).toBe(0)
  })
})

describe('a node', () => {
  it('is held for the work on it, for as long as the configuration says', async () => {
    const hold = (name: string | null) => engine().store.commit(() => holdNode(engine(), name, now()))
    await hold(null)
    await hold('n9')
    expect(readNode(sql(), 'n1')?.status).toBe('ready')
    await hold('n1')
    const deadlineAt = now() + engine().config.nodes.heldMax
    expect(readNode(sql(), 'n1')).toMatchObject({ status: 'held', deadlineAt })
  })

  it('that lost its state loses its workspaces, and every task on it looks again', async () => {
    await runs()
    sql().run('update attempts set wake_at = ?', now() + HOUR)
    await engine().store.commit(() => loseWorkspaces(engine(), 'n1'))
    expect(readWorkspace(sql(), 'task-1-1-1')?.status).toBe('lost')
    expect(all.life.task('task-1').wakeAt).toBe(now())
  })
})

it('a subject is read as it was written', () => {
  expect(parseSubject(taskSubject({ id: 'a/b', attempt: 12 }))).toEqual({
    kind: 'task',
    key: { id: 'a/b', attempt: 12 },
  })
  expect(parseSubject('node:a:b')).toEqual({ kind: 'node', name: 'a:b' })
})
