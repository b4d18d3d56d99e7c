/** A hop whose step does what it should not, and what is counted and logged of each hop. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { report, runTask } from '../../../../../daemon/engine/run-task.ts'
import { handlers } from '../../../../../daemon/steps/handlers.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { openSignals } from '../../../../../src/store/tables/inbox.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import { aTask } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
/** What was logged: its level, its message, what it is about. */
let lines: { level: string; message: string; about: Record<string, unknown> }[]
beforeEach(async () => {
  lines = []
  all = await lives()
  for (const level of ['error', 'info'] as const) {
    all.life.engine.log[level] = (about, message) => void lines.push({ level, message, about })
  }
  await all.submit({}, { hangs: true, busy: true })
  expect(await all.until(() => task().step === 'running', HOUR)).toBe(true)
  lines = []
})
afterEach(() => {
  vi.restoreAllMocks()
  all.end()
})

const engine = () => all.life.engine
const sql = () => engine().store.sql
const now = () => all.life.world.clock.now()
const key = { id: 'task-1', attempt: 1 }
const task = () => all.life.task('task-1')
const failures = () => due(sql(), 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)
const hop = (interruption = new AbortController()) => runTask(engine(), key, interruption)

describe('a hop', () => {
  it('whose outcome the rules refuse leaves the task where it is, on record, and is tried again in a minute', async () => {
    vi.spyOn(handlers.running, 'run').mockResolvedValue({ kind: 'advance', to: 'node_provisioning' } as never)
    await hop()
    expect(task()).toMatchObject({ status: 'in_progress', step: 'running', wakeAt: now() + MIN })
    expect(failures()).toMatchObject([{ level: 'warn', taskId: 'task-1', step: 'running', code: 'BUG' }])
    expect(lines).toMatchObject([
      { level: 'error', message: 'a decision could not be made', about: { task: 'task-1', step: 'running' } },
      { level: 'info', message: 'transition', about: { code: 'BUG', outcome: 'advance' } },
    ])
  })

  it('that is interrupted costs the task nothing and is run again at once', async () => {
    const interruption = new AbortController()
    vi.spyOn(handlers.running, 'run').mockImplementation(async () => {
      interruption.abort()
      throw new Error('the call was cut')
    })
    const { stepAttempt, waitingFor } = task()
    await hop(interruption)
    expect(task()).toMatchObject({ step: 'running', stepAttempt, waitingFor, wakeAt: now() })
    expect(failures()).toEqual([])
  })

  it('that throws is a try of its step, with the error', async () => {
    vi.spyOn(handlers.running, 'run').mockRejectedValue(new TdfError('AGENT_BUSY', 'come again'))
    await hop()
    expect(task()).toMatchObject({ step: 'running', stepAttempt: 2 })
    expect(task().wakeAt).toBeGreaterThan(now())
    expect(failures()).toMatchObject([{ code: 'AGENT_BUSY', step: 'running' }])
  })

  it('at a step that only a newer build knows waits an hour, and changes nothing', async () => {
    sql().run("update attempts set step = 'teleport', deadline_at = null, absolute_at = null")
    engine().justWritten.clear()
    await hop()
    expect(task()).toMatchObject({ step: 'teleport', wakeAt: now() + HOUR })
    expect(task().waitingFor).toContain('teleport')
  })

  it('of a task that is over, or of none, does nothing', async () => {
    await runTask(engine(), { id: 'nobody', attempt: 1 }, new AbortController())
    sql().run("update attempts set status = 'failed', step = null, live = 0, wake_at = null")
    engine().justWritten.clear()
    const { rev } = task()
    await hop()
    expect(task().rev).toBe(rev)
    expect([lines, failures()]).toEqual([[], []])
  })

  it('of a row that is damaged says which, in the log and among the failures', async () => {
    sql().run("update attempts set facts = '{'")
    engine().justWritten.clear()
    await hop()
    const about = { task: 'task-1', attempt: 1, code: 'STATE_CORRUPT', err: expect.any(String) }
    expect(lines).toMatchObject([{ message: 'a task cannot be read and is left alone', about }])
    expect(failures()).toMatchObject([{ code: 'STATE_CORRUPT', taskId: 'task-1' }])
  })

  it('takes what the hop before it wrote, once', async () => {
    const run = vi.spyOn(handlers.running, 'run').mockResolvedValue({
      ...{ kind: 'wait', ms: 5_000, why: 'x', looked: false },
    } as never)
    const known = { ...task(), waitingFor: 'as it was written' }
    engine().justWritten.set('task:task-1/1', { task: known, signals: [] })
    await hop()
    expect(run.mock.calls[0]?.[1].waitingFor).toBe('as it was written')
    await hop()
    expect(run.mock.calls[1]?.[1].waitingFor).toBe('x')
  })
})

describe('what is said of a hop', () => {
  const said = (before: Partial<Task>, after: Partial<Task>, outcome: object, error?: TdfError) => {
    lines = []
    const ran: unknown[] = []
    const metrics = { ran: (...values: unknown[]) => void ran.push(values) } as never
    const seen = { ...aTask(before), wakes: 0 } as never
    const decided = { task: aTask(after), events: [], writes: [], failure: error ? { error, final: false } : null }
    report({ log: engine().log, metrics }, seen, decided as never, outcome as never, 7)
    return { ran, about: lines.map(({ about }) => about) }
  }
  const running = { step: 'running', status: 'in_progress', stepEnteredAt: 100, updatedAt: 250 } as const

  it('is counted for its step, with the code of what it is tried again for', () => {
    const error = new TdfError('AGENT_BUSY', 'come again')
    expect(said(running, running, { kind: 'wait' })).toEqual({ ran: [['running', 'wait', 7, undefined]], about: [] })
    const retried = said(running, running, { kind: 'retry', error }, error)
    expect(retried.ran).toEqual([['running', 'retry', 7, 'AGENT_BUSY']])
    expect(retried.about).toMatchObject([{ code: 'AGENT_BUSY', class: error.class, err: 'come again', ms: 150 }])
    expect(said({ step: null }, { step: null }, { kind: 'wait' }).ran).toEqual([])
  })

  it('is logged when the step or the status is another one, and never with a time below zero', () => {
    const after = { ...running, step: 'salvage', nodeName: 'n1', updatedAt: 50 } as const
    const { about } = said(running, after, { kind: 'advance' })
    const moved = { task: 't1', attempt: 1, step: 'running', to: 'salvage', status: 'in_progress', node: 'n1' }
    expect(about).toEqual([{ ...moved, outcome: 'advance', ms: 0 }])
    expect(said(running, { ...running, status: 'cancelled' }, { kind: 'cancel' }).about).toHaveLength(1)
  })

  it('is how long its step was at work', async () => {
    const times: number[] = []
    engine().metrics.ran = (_step, _outcome, ms) => void times.push(ms)
    vi.spyOn(handlers.running, 'run').mockImplementation(async () => {
      await all.life.world.clock.advance(40)
      return { kind: 'wait', ms: HOUR, why: 'x', looked: false }
    })
    await hop()
    expect(times).toEqual([40])
  })
})

describe('the word of a node', () => {
  const signal = (kind: 'heartbeat' | 'node_ready', change: object = {}) => {
    sql().run('update nodes set wake_at = ?', now() + HOUR)
    const use = { cpuPercent: 1, memoryPercent: 1, diskPercent: 1, agentVersion: 'x' }
    const { stateId } = readNode(sql(), 'n1') ?? {}
    return engine().signal({ kind, name: 'n1', stateId, ...use, ...change } as never)
  }
  const isLooked = () => readNode(sql(), 'n1')?.wakeAt === now()

  it('is a reason to look when it began anew, is another one or was lost, and else none', async () => {
    await signal('heartbeat')
    expect(isLooked()).toBe(false)
    await signal('heartbeat', { stateId: 'another' })
    expect(isLooked()).toBe(true)
    await signal('node_ready')
    expect(isLooked()).toBe(true)
    sql().run("update nodes set status = 'lost'")
    await signal('heartbeat')
    expect(isLooked()).toBe(true)
  })
})

it('a task whose decision was put off is left to the hop, with its signal stored', async () => {
  sql().run("update attempts set step = 'workspace_ready', status = 'delegated'")
  const told = { workspaceId: 'task-1-1-1', kind: 'workspace_ready', sessionId: null, payload: { seq: 1 } } as const
  sql().run('delete from inbox')
  engine().deferred.add('task:task-1/1')
  await engine().store.commit(() => {})
  const { rev } = task()
  expect(await engine().signal({ kind: 'workspace', signal: told })).toEqual({ accepted: true })
  expect([task().rev, task().wakeAt, openSignals(sql(), key).length]).toEqual([rev, now(), 1])
  expect(engine().deferred.size).toBe(0)
})
