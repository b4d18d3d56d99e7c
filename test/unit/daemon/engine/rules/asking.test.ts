import { describe, expect, it } from 'vitest'
import { askingOf, grantedUsd } from '../../../../../daemon/engine/rules/asking.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'

const question = { requestId: 'q1', tool: 'Bash', detail: 'ls' }
const waits = aTask({ status: 'in_progress', step: 'awaiting_followup', sessionId: 's1', deadlineAt: 7 })
const session = { status: 'exited', exitCode: 1, signal: null, resumeRef: null } as const

describe('what may be answered from afar', () => {
  it.each<[string, Task, string[] | undefined, number | null | undefined]>([
    ['a permission', { ...waits, facts: { question } }, ['allow', 'deny', 'cancel'], 7],
    ['a session that waits for words', waits, ['continue', 'cancel'], 7],
    ['a rest', aTask({ status: 'parked', step: 'agent_session' }), ['cancel'], null],
    ['a predecessor that failed', aTask({ facts: { blocked: { by: ['a'], attempt: 1 } } }), ['cancel'], null],
    ['an agent that failed', aTask({ status: 'failed', step: 'salvage', facts: { session } }), ['continue'], null],
    ['a failure before any agent', aTask({ status: 'failed', step: null }), undefined, undefined],
    ['an end as it should be', aTask({ status: 'completed', step: null, facts: { session } }), undefined, undefined],
    ['a run', aTask({ status: 'in_progress', step: 'running' }), undefined, undefined],
    [
      'one that rests for its money',
      aTask({ status: 'parked', parkedUntil: 7, facts: { paused: 'task', parks: 1 } }),
      ['allow', 'cancel'],
      7,
    ],
  ])('of %s', (_, task, verbs, until) => {
    const asking = askingOf(task)
    expect([asking?.verbs, asking?.until]).toEqual([verbs, until])
  })

  it('is another thing for another question, session, rest or obstacle, also under one number', () => {
    const asked = (facts: Task['facts'], sessionId = 's1') => askingOf({ ...waits, sessionId, facts })?.about
    const parked = (parks: number) => askingOf(aTask({ status: 'parked', facts: { parks } }))?.about
    const all = [
      ...[asked({ question }), asked({ question: { ...question, detail: 'rm' } }), asked({ question }, 's2')],
      ...[asked({ question: { ...question, requestId: 'q2' } }), asked({}), asked({}, 's2')],
      ...[parked(1), parked(2), askingOf(aTask({ facts: { blocked: { by: ['a'], attempt: 1 } } }))?.about],
      askingOf(aTask({ facts: { blocked: { by: ['a'], attempt: 2 } } }))?.about,
      askingOf(aTask({ status: 'parked', facts: { parks: 1, paused: 'window' } }))?.about,
    ]
    expect(new Set(all).size).toBe(all.length)
    expect(asked({ question })).toBe(asked({ question: { ...question } }))
  })
})

describe('a task that goes on although it has cost what it may', () => {
  it.each([
    [null, 4, 4, null],
    ['agent_error', 4, 4, null],
    ['budget', null, 4, null],
    ['budget', 4, 4.1, 5.1],
    ['budget', 4, 3, 5],
  ] as const)('ended by %s of $%s: gets more', (verdict, maxCostUsd, spent, granted) => {
    expect(grantedUsd({ verdict, spec: aSpec({ maxCostUsd }) }, spent)).toBe(granted)
  })
})
