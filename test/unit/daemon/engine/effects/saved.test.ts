/** One transaction for one outcome: what is stored with it, what the loop and the queue learn of it, and nothing where a row was moved. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openAttempt } from '../../../../../daemon/engine/attempts.ts'
import { decisionInput } from '../../../../../daemon/engine/effects/input.ts'
import { refuseUnfinished } from '../../../../../daemon/engine/effects/remove.ts'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import type { Outcome } from '../../../../../daemon/engine/rules/outcome.ts'
import { save } from '../../../../../daemon/engine/save.ts'
import { saveNode, writeNode } from '../../../../../daemon/engine/save-node.ts'
import type { Engine } from '../../../../../daemon/services.ts'
import type { Node } from '../../../../../src/core/node.ts'
import { addSignal, openSignals } from '../../../../../src/store/tables/inbox.ts'
import { readEvents, readNewestEvents } from '../../../../../src/store/tables/journal.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { reservationOf, reserve } from '../../../../../src/store/tables/slots.ts'
import { aTask } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
/** What the queue, the loop and the placement pass were told, in order. */
let told: unknown[]
beforeEach(async () => {
  told = []
  all = await lives()
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
})
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const key = { id: 'task-1', attempt: 1 }
const task = (attempt?: number) => all.life.task('task-1', attempt)
const wait = (ms: number): Outcome => ({ kind: 'wait', ms, why: 'for a reason', looked: false }) as Outcome
/** The engine whose parts are only written down, with a map of its own for what was just written. */
const watched = (): Engine => {
  const { engine } = all.life
  return {
    ...engine,
    queue: {
      ...engine.queue,
      add: request => void told.push(['add', request.id, request.attempt]),
      remove: ({ id }) => void told.push(['remove', id]),
    },
    loop: { ...engine.loop, schedule: (subject, at) => void told.push(['schedule', subject, at]) },
    sources: { ...engine.sources, leave: ({ id }) => void told.push(['leave', id]) },
    placementChanged: () => void told.push(['pass']),
    justWritten: new Map(),
  }
}
const runs = async () => {
  await all.submit({}, { hangs: true, busy: true })
  expect(await all.until(() => task().step === 'running', HOUR)).toBe(true)
}

describe('an outcome', () => {
  const put = (dedupe: string) => {
    addSignal(sql(), { ...key, kind: 'followup', dedupe, payload: { deliveryId: dedupe, text: dedupe } }, now())
    return openSignals(sql(), key)
  }
  const store = async (outcome: Outcome, uses: number[], signals = openSignals(sql(), key)) => {
    const engine = watched()
    const seen = task()
    const decided = decide(seen, outcome, decisionInput(engine))
    const isStored = await engine.store.commit(() => save(engine, seen, decided, uses, signals))
    return { isStored, left: engine.justWritten.get('task:task-1/1') }
  }

  it('hands the hop that follows at once the row and the signals that it did not use', async () => {
    await runs()
    put('one')
    const [one, other] = put('other')
    const { isStored, left } = await store(wait(0), [one?.id ?? 0])
    expect(isStored).toBe(true)
    expect(left?.signals).toEqual([other])
    expect(left?.task).toMatchObject({ rev: task().rev, waitingFor: 'for a reason', wakeAt: now() })
    expect(openSignals(sql(), key)).toEqual([other])
    expect(told).toEqual([['schedule', 'task:task-1/1', now()]])
  })

  it('hands nothing to a hop that comes later', async () => {
    await runs()
    const { left } = await store(wait(5_000), [])
    expect(left).toBeUndefined()
    expect(told).toEqual([['schedule', 'task:task-1/1', now() + 5_000]])
  })

  it('of a row that was moved meanwhile is not stored, and nothing with it', async () => {
    await runs()
    const [signal] = put('one')
    const engine = watched()
    const seen = task()
    const decided = decide(seen, { kind: 'cancel', uses: [] } as Outcome, decisionInput(engine))
    sql().run('update attempts set rev = rev + 1')
    const before = readNewestEvents(sql(), 'task-1', 1_000).length
    expect(await engine.store.commit(() => save(engine, seen, decided, [signal?.id ?? 0]))).toBe(false)
    expect(readNewestEvents(sql(), 'task-1', 1_000)).toHaveLength(before)
    expect([openSignals(sql(), key), told]).toEqual([[signal], []])
  })

  it('that sends the task back for a slot puts it into the queue, once', async () => {
    await runs()
    sql().run("update attempts set status = 'queued', step = 'node_agent_ready', deadline_at = null")
    await store({ kind: 'advance', to: 'node_selection' } as Outcome, [])
    expect(told).toContainEqual(['pass'])
    expect(told).toContainEqual(['add', 'task-1', 1])
    told = []
    await store(wait(5_000), [])
    expect(told).toEqual([['schedule', 'task:task-1/1', expect.any(Number)]])
  })

  it('that ends a task takes it out of the queue', async () => {
    await all.submit({ node: 'n9' })
    await store({ kind: 'cancel', uses: [] } as Outcome, [])
    expect(told).toContainEqual(['remove', 'task-1'])
    expect(told.some(one => (one as string[])[0] === 'add' || (one as string[])[0] === 'leave')).toBe(false)
  })

  it('that ends a task whose repository is fetched asks for that no more, and it was in no queue', async () => {
    await all.submit({ node: 'n9' })
    sql().run(`update attempts set facts = '{"source":null}'`)
    await store({ kind: 'cancel', uses: [] } as Outcome, [])
    expect(told).toContainEqual(['leave', 'task-1'])
    expect(told.some(one => (one as string[])[0] === 'remove')).toBe(false)
  })
})

describe('an attempt that is opened', () => {
  it('is on record with the status of the former one, and asks for a slot', async () => {
    await all.submit({}, { exitCode: 1 })
    expect(await all.rest()).toBe(true)
    const engine = watched()
    await engine.store.commit(() => openAttempt(engine, task(), now()))
    const events = readEvents(sql(), { after: 0, limit: 1_000 }).filter(({ attempt }) => attempt === 2)
    expect(events).toMatchObject([
      { type: 'task.status', step: 'node_selection', data: { from: null, to: 'queued', before: 'failed' } },
      { type: 'task.step', step: 'node_selection', data: { from: null, to: 'node_selection', ms: 0 } },
    ])
    expect(task().attempt).toBe(2)
    expect(task().deadlineAt).toBe(now() + engine.config.runner.queueTimeout)
    expect(told).toEqual([['pass'], ['add', 'task-1', 2], ['schedule', 'task:task-1/2', task().deadlineAt]])
    // Again changes nothing.
    told = []
    await engine.store.commit(() => openAttempt(engine, task(1), now()))
    expect(told).toEqual([])
  })

  it('is the first one of its task without a status before it, and stays the newest', async () => {
    await all.submit({ node: 'n9' })
    const [opened] = readEvents(sql(), { after: 0, limit: 1_000 }).filter(({ taskId }) => taskId === 'task-1')
    expect(opened?.data).toEqual({ from: null, to: 'queued', reason: 'submitted' })
  })

  it('is told what no agent of the former one was told, and nothing else', async () => {
    await all.submit({}, { exitCode: 1 })
    expect(await all.rest()).toBe(true)
    const payload = { deliveryId: 'd1', text: 'go on' }
    addSignal(sql(), { ...key, kind: 'followup', dedupe: 'one', payload }, now())
    addSignal(sql(), { ...key, kind: 'close', dedupe: 'two', payload: {} }, now())
    await all.life.engine.start('task-1', 2)
    expect(openSignals(sql(), { id: 'task-1', attempt: 2 })).toMatchObject([{ kind: 'followup', payload }])
  })

  it('waits for its repository where the daemon fetches it, and is due at once', async () => {
    await runs()
    sql().run("update attempts set step = null, live = 0, wake_at = null, status = 'failed'")
    const engine = watched()
    const config = { ...engine.config, repositories: { ...engine.config.repositories, fetch: 'daemon' as const } }
    await engine.store.commit(() => openAttempt({ ...engine, config }, task(), now()))
    expect(task()).toMatchObject({ attempt: 2, wakeAt: now(), facts: { source: null } })
    expect(task().waitingFor).toContain('https://example.org/repo.git')
    expect(told).toEqual([['pass'], ['schedule', 'task:task-1/2', now()]])
  })

  it('is refused nothing once it is over, and its next command is named before', () => {
    refuseUnfinished(sql(), aTask({ status: 'failed', step: null }))
    const error = (change: object) => expect(() => refuseUnfinished(sql(), aTask(change)))
    error({ status: 'failed', step: 'cleanup' }).toThrow(expect.objectContaining({ hint: 'tdf why t1' }))
    error({ status: 'queued', step: null }).toThrow(expect.objectContaining({ hint: 'tdf cancel t1' }))
  })
})

describe('a change of a node', () => {
  const seen = () => {
    const node = readNode(sql(), 'n1')
    if (!node) throw new Error('no node')
    return node
  }
  const write = (writes: { kind: string; reason?: string }[]) => {
    const engine = watched()
    const node: Node = { ...seen(), wakeAt: now() + HOUR, updatedAt: now() }
    const events = [{ type: 'node.status', nodeName: 'n1', data: { from: 'a', to: 'b' } }]
    return engine.store.commit(() => writeNode(engine, seen(), { node, events, writes } as never))
  }

  it('is stored with its event, and the loop learns of its wake', async () => {
    expect(await write([])).toBe(true)
    expect(told).toEqual([['schedule', 'node:n1', now() + HOUR]])
    const events = readEvents(sql(), { after: 0, limit: 1_000 }).filter(({ type }) => type === 'node.status')
    expect(events.at(-1)).toMatchObject({ nodeName: 'n1', data: { from: 'a', to: 'b' } })
  })

  it('of a row that was moved meanwhile is not stored', async () => {
    const before = seen()
    sql().run('update nodes set rev = rev + 1')
    const engine = watched()
    expect(await engine.store.commit(() => saveNode(engine, before, { waitingFor: 'x' }))).toBe(false)
    expect(told).toEqual([])
  })

  it('wakes every task that waits for it or is on it', async () => {
    await runs()
    await all.submit({ node: 'n9' }, {}, 'task-2')
    reserve(sql(), { id: 'task-2', attempt: 1, nodeName: 'n1' }, now())
    sql().run('update attempts set wake_at = ?', now() + HOUR)
    await write([{ kind: 'wake_tasks' }])
    const woken = ['task-1', 'task-2'].map(id => ['schedule', `task:${id}/1`, now()])
    expect(told).toEqual(expect.arrayContaining(woken))
    expect(all.life.task('task-2').wakeAt).toBe(now())
  })

  it('that takes its slots back puts those into the queue that still wait for one', async () => {
    await runs()
    await all.submit({ node: 'n9' }, {}, 'task-2')
    for (const id of ['task-1', 'task-2']) reserve(sql(), { id, attempt: 1, nodeName: 'n1' }, now())
    await write([{ kind: 'drop_reservations' }])
    expect(told.filter(one => (one as string[])[0] === 'add')).toEqual([['add', 'task-2', 1]])
    expect(reservationOf(sql(), key)).toBeUndefined()
    expect(reservationOf(sql(), { id: 'task-2', attempt: 1 })).toBeUndefined()
  })

  it('asks for a placement where it gives room', async () => {
    await write([{ kind: 'place' }])
    expect(told).toContainEqual(['pass'])
  })
})
