import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, LOSSES_MAX } from '../../../../../daemon/engine/rules/decide.ts'
import { cancel } from '../../../../../daemon/engine/rules/ending.ts'
import { advance, fail, type Outcome, retry, usesOf, wait } from '../../../../../daemon/engine/rules/outcome.ts'
import type { DecisionInput } from '../../../../../daemon/engine/rules/transition.ts'
import { retryDelayMs } from '../../../../../src/core/backoff.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aConfig, aPlacedTask, aSpec, aTask } from '../../../../support/builders.ts'

const SECOND = 1_000
const MIN = 60 * SECOND
const HOUR = 60 * MIN
const NOW = 1_000 * HOUR

const input = (change: Partial<DecisionInput> = {}): DecisionInput => ({
  now: NOW,
  config: aConfig(),
  jitter: 1,
  epochAt: 0,
  ...change,
})
const busy = new TdfError('AGENT_BUSY', 'node n1 answered 503')
const refused = new TdfError('AGENT_REFUSED', 'node n1 refused')
const silent = new TdfError('NODE_UNREACHABLE', 'node n1 does not answer', { retryAfterMs: 5 * SECOND })
const down = new TdfError('SOURCE_UNAVAILABLE', 'git.test does not answer')
const full = new TdfError('CAPACITY', 'no room')
const lateBy = (ms: number) => ({ deadlineAt: NOW - ms })

const ready = (change: Partial<Task> = {}) =>
  aPlacedTask({ step: 'workspace_ready', stepEnteredAt: NOW - MIN, ...change })
const runs = (change: Partial<Task> = {}) =>
  aPlacedTask({ step: 'running', status: 'in_progress', stepEnteredAt: NOW - HOUR, ...change })
const salvages = (change: Partial<Task> = {}) => aPlacedTask({ step: 'salvage', status: 'in_progress', ...change })
const cleans = (change: Partial<Task> = {}) =>
  aPlacedTask({ step: 'cleanup', status: 'completed', verdict: 'unverified', ...change })

const aResult = {
  branch: 'b',
  commit: '2'.repeat(40),
  ahead: 1,
  filesChanged: 1,
  insertions: 1,
  deletions: 0,
  summary: null,
  salvaged: false,
  check: null,
}

interface Case {
  name: string
  task: Task
  outcome: Outcome
  input?: Partial<DecisionInput>
  is: Partial<Task>
  writes?: object[]
  final?: boolean
}

const cases: Case[] = [
  // Going on
  {
    name: 'an advance enters the step afresh, due at once',
    task: ready({ stepAttempt: 3, waitingFor: 'x' }),
    outcome: advance('agent_session'),
    is: {
      step: 'agent_session',
      stepEnteredAt: NOW,
      stepAttempt: 1,
      wakeAt: NOW,
      deadlineAt: NOW + 10 * MIN,
      waitingFor: null,
    },
  },
  {
    name: 'the run begins when the agent confirms it',
    task: aPlacedTask({ step: 'agent_session' }),
    outcome: advance('running'),
    is: { status: 'in_progress', startedAt: NOW, absoluteAt: NOW + 24 * HOUR, deadlineAt: NOW + 4 * HOUR },
  },
  {
    name: 'a task’s own timeout is a limit that nothing extends',
    task: aPlacedTask({ step: 'agent_session', spec: aSpec({ timeoutMs: HOUR }) }),
    outcome: advance('running'),
    is: { absoluteAt: NOW + HOUR, deadlineAt: NOW + HOUR },
  },
  {
    name: 'a follow-up does not give the run more time in all',
    task: aPlacedTask({ step: 'awaiting_followup', status: 'in_progress', absoluteAt: NOW + MIN, startedAt: 5 }),
    outcome: advance('running'),
    is: { absoluteAt: NOW + MIN, deadlineAt: NOW + MIN, startedAt: 5 },
  },
  {
    name: 'what is learnt is kept',
    task: ready({ facts: { lostSlots: 1 } }),
    outcome: advance('agent_session', { sessionId: 's9', facts: { warning: 'w' } }),
    is: { sessionId: 's9', facts: { lostSlots: 1, warning: 'w' } },
  },
  {
    name: 'everything that an outcome says of the task is kept, and the rest stays',
    task: ready({ facts: { lostSlots: 1 } }),
    outcome: wait(SECOND, 'x', {
      facts: { warning: 'w' },
      sessionId: 's9',
      result: aResult,
      usage: { inputTokens: 1, outputTokens: 2, costUsd: 3 },
      verdict: 'unverified',
      parkedUntil: 7,
      workspaceStatus: 'ready',
    }),
    is: {
      facts: { lostSlots: 1, warning: 'w' },
      sessionId: 's9',
      result: aResult,
      usage: { inputTokens: 1, outputTokens: 2, costUsd: 3 },
      verdict: 'unverified',
      parkedUntil: 7,
      stepAttempt: 1,
    },
    writes: [{ kind: 'workspace_status', status: 'ready' }],
  },
  {
    name: 'placing delegates the task and names its workspace',
    task: aTask({ step: 'workspace_creation', placement: 2 }),
    outcome: { kind: 'place', nodeName: 'n1' },
    is: { status: 'delegated', step: 'workspace_creation', nodeName: 'n1', workspaceId: 't1-1-2' },
    writes: [{ kind: 'place', nodeName: 'n1' }],
  },
  // Waiting
  {
    name: 'waiting costs no attempt',
    task: ready({ stepAttempt: 2 }),
    outcome: wait(30 * SECOND, 'x'),
    is: { stepAttempt: 2, wakeAt: NOW + 30 * SECOND, waitingFor: 'x' },
  },
  {
    name: 'a wait never outlives a deadline',
    task: ready({ deadlineAt: NOW + 5 }),
    outcome: wait(HOUR, 'x'),
    is: { wakeAt: NOW + 5 },
  },
  {
    name: 'a deadline that passed while the outside was looked at ends the step',
    task: ready(lateBy(1)),
    outcome: wait(HOUR, 'the callback'),
    is: { status: 'failed', verdict: 'infrastructure', step: 'cleanup' },
    final: true,
  },
  {
    name: 'a deadline waits while the outside does not answer',
    task: ready(lateBy(1)),
    outcome: retry(silent),
    is: { status: 'delegated', step: 'workspace_ready', wakeAt: NOW + 5 * SECOND },
  },
  {
    name: 'an outside that never answers does not keep a deadline for ever',
    task: ready(lateBy(16 * MIN)),
    outcome: retry(silent),
    is: { status: 'failed', verdict: 'infrastructure' },
    final: true,
  },
  {
    name: 'an outside that is silent for `lost_after` past the deadline is waited for no longer',
    task: ready(lateBy(15 * MIN)),
    outcome: retry(silent),
    is: { status: 'failed', verdict: 'infrastructure' },
    final: true,
  },
  {
    name: 'after a start, a late step is given a look first',
    task: ready(lateBy(9 * HOUR)),
    outcome: retry(silent),
    input: { epochAt: NOW - MIN },
    is: { status: 'delegated' },
  },
  {
    name: 'progress moves the soft limit',
    task: runs(lateBy(0)),
    outcome: wait(30 * SECOND, 'x', { deadlineMs: 20 * MIN }),
    is: { status: 'in_progress', deadlineAt: NOW + 20 * MIN },
  },
  {
    name: 'progress never moves the absolute limit',
    task: runs({ ...lateBy(0), absoluteAt: NOW }),
    outcome: wait(30 * SECOND, 'x', { deadlineMs: 20 * MIN }),
    is: { status: 'failed', verdict: 'timeout', step: 'salvage' },
    final: true,
  },
  {
    name: 'the absolute limit of a run is none of a step that is not the run',
    task: aPlacedTask({ step: 'agent_session', status: 'parked', absoluteAt: NOW + MIN }),
    outcome: wait(30 * SECOND, 'x', { deadlineMs: 20 * MIN }),
    is: { deadlineAt: NOW + 20 * MIN },
  },
  {
    name: 'a server of repositories that has just gone down is asked again soon',
    task: ready({ stepEnteredAt: NOW - SECOND }),
    outcome: retry(down),
    is: { stepAttempt: 2, wakeAt: NOW + retryDelayMs(1, null, input()) },
    final: false,
  },
  {
    name: 'a server of repositories that is down for a night is asked every five minutes, and never given up',
    task: ready({ stepEnteredAt: NOW - 9 * HOUR, stepAttempt: 99 }),
    outcome: retry(down),
    is: { status: 'delegated', stepAttempt: 100, wakeAt: NOW + 5 * MIN },
    final: false,
  },
  {
    name: 'a queue that is never served times out',
    task: aTask(lateBy(0)),
    outcome: wait(HOUR, 'a slot'),
    is: { status: 'failed', verdict: 'timeout', step: 'cleanup' },
    final: true,
  },
  // Trying again
  {
    name: 'a failed try waits with a doubled delay',
    task: ready({ stepAttempt: 2 }),
    outcome: retry(busy),
    is: {
      stepAttempt: 3,
      wakeAt: NOW + 10 * SECOND,
      waitingFor: 'try 3 of 4; the last one failed: node n1 answered 503',
    },
    final: false,
  },
  {
    name: 'the last try but one is followed by the last',
    task: ready({ stepAttempt: 3 }),
    outcome: retry(busy),
    is: { stepAttempt: 4, status: 'delegated' },
    final: false,
  },
  {
    name: 'the last try ends the attempt',
    task: ready({ stepAttempt: 4 }),
    outcome: retry(busy),
    is: { status: 'failed', verdict: 'infrastructure' },
    final: true,
  },
  {
    name: 'a permanent error ends the attempt at once',
    task: ready(),
    outcome: retry(refused),
    is: { status: 'failed', verdict: 'infrastructure' },
    final: true,
  },
  {
    name: 'a try that fails past the deadline is the last',
    task: ready(lateBy(1)),
    outcome: retry(busy),
    is: { status: 'failed' },
    final: true,
  },
  {
    name: 'a try that fails at the deadline is the last',
    task: ready({ deadlineAt: NOW }),
    outcome: retry(busy),
    is: { status: 'failed' },
    final: true,
  },
  {
    name: 'the next try is not later than the deadline',
    task: ready({ deadlineAt: NOW + 7 }),
    outcome: retry(busy),
    is: { wakeAt: NOW + 7 },
    final: false,
  },
  {
    name: 'an error of class wait costs no attempt',
    task: ready({ stepAttempt: 4 }),
    outcome: retry(full),
    is: { stepAttempt: 4, wakeAt: NOW + MIN, waitingFor: 'another try; the last one failed: no room' },
  },
  {
    name: 'no failure ends salvage',
    task: salvages({ stepAttempt: 99 }),
    outcome: retry(refused),
    is: { step: 'salvage', status: 'in_progress', wakeAt: NOW + MIN },
  },
  {
    name: 'no failure of the cleanup touches the verdict',
    task: cleans(),
    outcome: retry(refused),
    is: { step: 'cleanup', status: 'completed', wakeAt: NOW + MIN },
  },
  // Losing a slot
  {
    name: 'a lost reservation goes back to the queue, counted',
    task: aTask({ step: 'node_provisioning' }),
    outcome: advance('node_selection'),
    is: { step: 'node_selection', status: 'queued', placement: 2, facts: { lostSlots: 1 } },
    writes: [{ kind: 'drop_reservation' }],
  },
  {
    name: 'a lost placement goes back to the queue, and its workspace is removed',
    task: aPlacedTask({ step: 'workspace_creation' }),
    outcome: advance('node_selection'),
    is: { status: 'queued', nodeName: null, workspaceId: null, placement: 2 },
    writes: [
      { kind: 'cleanup', items: ['delete_workspace'], workspaceId: 't1-1-1', nodeName: 'n1' },
      { kind: 'drop_reservation' },
    ],
  },
  {
    name: 'the last slot that may be lost goes back to the queue',
    task: aTask({ step: 'node_provisioning', facts: { lostSlots: LOSSES_MAX - 1 } }),
    outcome: advance('node_selection'),
    is: { status: 'queued', step: 'node_selection', facts: { lostSlots: LOSSES_MAX } },
  },
  {
    name: 'losing slots is bounded',
    task: aTask({ step: 'node_provisioning', facts: { lostSlots: LOSSES_MAX } }),
    outcome: advance('node_selection'),
    is: { status: 'failed', verdict: 'infrastructure' },
    writes: [{ kind: 'drop_reservation' }],
    final: true,
  },
  {
    name: 'a missing acknowledgement is asked for again, counted',
    task: ready(),
    outcome: advance('workspace_creation'),
    is: { step: 'workspace_creation', status: 'delegated', facts: { redispatches: 1 } },
  },
  {
    name: 'a workspace that is asked for the first time has lost no acknowledgement',
    task: aPlacedTask({ step: 'node_agent_ready', facts: { lostSlots: 1 } }),
    outcome: advance('workspace_creation'),
    is: { step: 'workspace_creation', facts: expect.not.objectContaining({ redispatches: expect.anything() }) },
  },
  {
    name: 'the last acknowledgement that may be missing is asked for again',
    task: ready({ facts: { redispatches: LOSSES_MAX - 1 } }),
    outcome: advance('workspace_creation'),
    is: { step: 'workspace_creation', facts: { redispatches: LOSSES_MAX } },
  },
  {
    name: 'asking again is bounded',
    task: ready({ facts: { redispatches: LOSSES_MAX } }),
    outcome: advance('workspace_creation'),
    is: { status: 'failed', verdict: 'infrastructure' },
    final: true,
  },
  // Ending
  {
    name: 'a failure before the agent ran goes straight to cleanup',
    task: ready(),
    outcome: fail(refused, 'infrastructure'),
    is: {
      status: 'failed',
      step: 'cleanup',
      cleanup: 'pending',
      completedAt: NOW,
      error: {
        code: 'AGENT_REFUSED',
        message: 'node n1 refused',
        hint: 'tdf logs t1',
        step: 'workspace_ready',
        class: 'permanent',
      },
    },
    writes: [
      { kind: 'cleanup', items: ['stop_workspace', 'delete_workspace'], workspaceId: 't1-1-1', nodeName: 'n1' },
      { kind: 'drop_reservation' },
    ],
    final: true,
  },
  {
    name: 'a failure after the agent ran brings the work home first',
    task: runs(),
    outcome: fail(refused, 'agent_error'),
    is: { status: 'failed', verdict: 'agent_error', step: 'salvage', cleanup: null },
    writes: [],
    final: true,
  },
  {
    name: 'a start that may have happened brings the work home first',
    task: aPlacedTask({ step: 'agent_session' }),
    outcome: retry(refused),
    is: { status: 'failed', step: 'salvage' },
    final: true,
  },
  {
    name: 'a run that ended well stays in progress until the work is home',
    task: runs(),
    outcome: advance('salvage'),
    is: { status: 'in_progress', step: 'salvage', verdict: null, deadlineAt: NOW + 10 * MIN },
  },
  {
    name: 'the verdict falls when the work is home',
    task: salvages(),
    outcome: advance('cleanup', { verdict: 'unverified' }),
    is: { status: 'completed', verdict: 'unverified', step: 'cleanup', completedAt: NOW, error: null },
  },
  {
    name: 'a check that failed makes the task failed',
    task: salvages(),
    outcome: fail(new TdfError('CHECK_FAILED', 'no'), 'check_failed'),
    is: { status: 'failed', verdict: 'check_failed', step: 'cleanup' },
    final: true,
  },
  {
    name: 'a verdict that has fallen is never changed by salvage',
    task: salvages({ status: 'cancelled', verdict: 'cancelled', completedAt: 7 }),
    outcome: advance('cleanup', { verdict: 'unverified' }),
    is: { status: 'cancelled', verdict: 'cancelled', completedAt: 7, step: 'cleanup' },
  },
  {
    name: 'work that cannot be had holds the node, and a task without a verdict waits for it',
    task: salvages({ ...lateBy(0), waitingFor: 'no answer' }),
    outcome: wait(SECOND, 'no answer'),
    is: {
      status: 'in_progress',
      verdict: null,
      step: 'salvage',
      facts: { held: true },
      deadlineAt: NOW + 72 * HOUR,
    },
    writes: [{ kind: 'cleanup', items: ['salvage'], workspaceId: 't1-1-1', nodeName: 'n1' }, { kind: 'hold_node' }],
    final: false,
  },
  {
    name: 'work that cannot be had until held_max ends the attempt, and only then may the next one open',
    task: salvages({ ...lateBy(0), waitingFor: 'no answer', facts: { held: true } }),
    outcome: wait(SECOND, 'no answer'),
    input: { config: aConfig({ runner: { maxAttempts: 2 } }) },
    is: { status: 'failed', verdict: 'infrastructure', step: 'cleanup', facts: { held: true } },
    writes: [
      { kind: 'next_attempt' },
      {
        kind: 'cleanup',
        items: ['salvage', 'stop_workspace', 'delete_workspace'],
        workspaceId: 't1-1-1',
        nodeName: 'n1',
      },
      { kind: 'hold_node' },
    ],
    final: true,
  },
  {
    name: 'work that came home late is judged like any other',
    task: salvages({ facts: { held: true, saved: true }, deadlineAt: NOW + HOUR }),
    outcome: advance('cleanup', { verdict: 'verified' }),
    is: { status: 'completed', verdict: 'verified', step: 'cleanup' },
  },
  {
    name: 'saved work whose check is not seen to end is not held for',
    task: salvages({ ...lateBy(0), waitingFor: 'no answer', facts: { saved: true } }),
    outcome: wait(SECOND, 'no answer'),
    is: { status: 'failed', verdict: 'infrastructure', step: 'cleanup' },
    final: true,
  },
  {
    name: 'a workspace of which something could not be read is asked again before it goes',
    task: salvages({ facts: { saved: true, kept: true } }),
    outcome: advance('cleanup', { verdict: 'unverified' }),
    is: { status: 'completed', step: 'cleanup' },
    writes: [
      {
        kind: 'cleanup',
        items: ['salvage', 'stop_workspace', 'delete_workspace'],
        workspaceId: 't1-1-1',
        nodeName: 'n1',
      },
      { kind: 'drop_reservation' },
    ],
  },
  {
    name: 'work that cannot be had leaves a verdict that has fallen',
    task: salvages({ ...lateBy(0), status: 'failed', verdict: 'agent_error' }),
    outcome: wait(SECOND, 'no answer'),
    is: { status: 'failed', verdict: 'agent_error', step: 'cleanup' },
    final: true,
  },
  {
    name: 'the end of the cleanup is the end of the journey',
    task: cleans({ wakeAt: 5 }),
    outcome: { kind: 'finish', cleanup: 'done' },
    is: { step: null, wakeAt: null, deadlineAt: null, cleanup: 'done', status: 'completed' },
  },
  {
    name: 'a cleanup that is not confirmed is visible',
    task: cleans(),
    outcome: { kind: 'finish', cleanup: 'failed' },
    is: { step: null, cleanup: 'failed' },
  },
]

describe('decide', () => {
  it.each(cases)('$name', ({ task, outcome, input: change, is, writes, final }) => {
    const decided = decide(task, outcome, input(change))
    expect(decided.task).toMatchObject(is)
    if (writes) expect(decided.writes).toEqual(writes)
    expect(decided.failure?.final).toBe(final)
  })

  it('records a step taken and a status changed, with the reason', () => {
    const { events } = decide(
      aPlacedTask({ step: 'agent_session', stepEnteredAt: NOW - 5 }),
      advance('running'),
      input(),
    )
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['task.status', { from: 'delegated', to: 'in_progress', reason: 'entered running' }],
      ['task.step', { from: 'agent_session', to: 'running', ms: 5 }],
    ])
  })
  it('records that the work is home and the check begins, for a task that has one', () => {
    const told = (change: Partial<Task>, facts = { saved: true }) =>
      decide(salvages({ stepEnteredAt: NOW - SECOND, ...change }), wait(0, 'x', { facts }), input()).events
    const checked = { spec: aSpec({ check: 'npm test' }) }
    expect(told(checked)).toMatchObject([{ type: 'task.saved', taskId: 't1', data: { checking: true, ms: SECOND } }])
    expect(told({})).toEqual([])
    expect(told({ ...checked, facts: { saved: true } })).toEqual([])
    expect(told(checked, { saved: false })).toEqual([])
    expect(told({ ...checked, status: 'failed', verdict: 'agent_error' })).toEqual([])
  })
  it('records work that is waited for, why, and until when', () => {
    const { events } = decide(salvages({ ...lateBy(0) }), wait(SECOND, 'no answer'), input())
    const data = { reason: 'the work of t1 is still on n1: no answer', until: NOW + 72 * HOUR }
    expect(events).toMatchObject([{ type: 'task.held', taskId: 't1', nodeName: 'n1', data }])
  })
  it('names the signals that led to it, none where it was led to by none', () => {
    expect(usesOf(advance('agent_session', { uses: [4, 5] }))).toEqual([4, 5])
    expect(usesOf({ kind: 'cancel', uses: [6] })).toEqual([6])
    expect(usesOf(advance('agent_session'))).toEqual([])
    expect(usesOf({ kind: 'queue' })).toEqual([])
  })
  it('undoes nothing outside for a task that has no workspace yet', () => {
    const { writes } = cancel(aTask({ step: 'node_agent_ready', nodeName: 'n1' }), input())
    expect(writes).toEqual([{ kind: 'drop_reservation' }])
  })
  it('records a try that failed, and no step', () => {
    const { events } = decide(ready(), retry(busy), input())
    expect(events).toMatchObject([{ type: 'task.retry', data: { code: 'AGENT_BUSY', wakeAt: NOW + 5 * SECOND } }])
  })
  it('opens the next attempt after a machine’s fault, while there may be one', () => {
    const twice = input({ config: aConfig({ runner: { maxAttempts: 2 } }) })
    const opens = (
      task: Task,
      code: 'NODE_LOST' | 'WORKSPACE_FAILED' | 'NO_RESULT',
      verdict: 'infrastructure' | 'agent_error',
    ) => decide(task, fail(new TdfError(code, 'x'), verdict), twice).writes.some(({ kind }) => kind === 'next_attempt')
    expect(opens(runs(), 'NODE_LOST', 'infrastructure')).toBe(true)
    expect(opens(runs({ attempt: 2 }), 'NODE_LOST', 'infrastructure')).toBe(false)
    expect(opens(runs(), 'NODE_LOST', 'agent_error')).toBe(false)
    expect(opens(ready(), 'WORKSPACE_FAILED', 'infrastructure')).toBe(false)
    expect(opens(aTask(), 'NO_RESULT', 'infrastructure')).toBe(false)
  })
  it('refuses an edge that the journey does not have', () => {
    expect(() => decide(runs(), advance('workspace_ready'), input())).toThrow(/running → workspace_ready is no edge/)
  })
  it('refuses to leave salvage without a verdict', () => {
    expect(() => decide(salvages(), advance('cleanup'), input())).toThrow(/without a verdict/)
  })
})

describe('cancel', () => {
  it.each([
    ['a task in the queue', aTask(), 'cleanup'],
    ['a task whose workspace is made', ready(), 'cleanup'],
    ['a task whose agent runs', runs(), 'salvage'],
    ['a task whose work is being saved', salvages(), 'salvage'],
    ['a task that waits with its verdict for its work', salvages({ facts: { held: true } }), 'cleanup'],
  ])('ends %s, and saves what there is', (_, task, step) => {
    const decided = cancel(task, input())
    expect(decided.task).toMatchObject({ status: 'cancelled', verdict: 'cancelled', step, completedAt: NOW })
    expect(decided.task.error?.code).toBe('CANCELLED')
    expect(decided.failure).toBeNull()
  })
})

describe('backoff', () => {
  const config = aConfig()
  it('doubles up to its limit, and is spread by the dice', () => {
    expect([1, 2, 3, 4, 5, 40].map(attempt => retryDelayMs(attempt, null, { config, jitter: 1 }))).toEqual(
      [5, 10, 20, 40, 60, 60].map(s => s * SECOND),
    )
    expect(retryDelayMs(3, null, { config, jitter: 0.25 })).toBe(5 * SECOND)
  })
  it.each(['AGENT_BUSY', 'NODE_KEY_MISMATCH'] as const)(
    'plans whole milliseconds after %s, whatever the other side asked for',
    code => {
      const error = new TdfError(code, 'x', { retryAfterMs: 28_285.571 })
      const { task } = decide(runs({ deadlineAt: NOW + HOUR }), retry(error), input({ jitter: 0 }))
      expect(task.wakeAt).toBeGreaterThanOrEqual(NOW + 28_285.571)
      expect(Number.isInteger(task.wakeAt)).toBe(true)
    },
  )

  it('never comes back before the other side asked for', () => {
    const asked = new TdfError('AGENT_BUSY', 'x', { retryAfterMs: 9 * SECOND })
    expect(retryDelayMs(1, asked, { config, jitter: 0 })).toBe(9 * SECOND)
  })
  it('is never negative and never over its limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, jitter) => {
        const ms = retryDelayMs(attempt, null, { config, jitter })
        return ms >= 0 && ms <= MIN
      }),
    )
  })
})
