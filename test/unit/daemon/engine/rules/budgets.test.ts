/** A task that rests for its money: when it goes on, and when it ends. */
import { expect, it } from 'vitest'
import { beforePause, overBudget, restPaused } from '../../../../../daemon/engine/rules/budgets.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aConfig, aSpec, aTask } from '../../../../support/builders.ts'

const NOW = 1_000_000
const around = { now: NOW, config: aConfig(), signals: [], spentBefore: 0, budgetHold: () => null }
const usage = { inputTokens: 1, outputTokens: 1, costUsd: 2 }
const resting = (change: Partial<Task> = {}, maxCostUsd: number | null = 2) =>
  aTask({
    status: 'parked',
    usage,
    facts: { paused: 'task' },
    parkedUntil: NOW + 60_000,
    spec: aSpec({ maxCostUsd }),
    ...change,
  })
const goesOn = { kind: 'queue', facts: { paused: null } }

it('goes on once it may cost more than it has', () => {
  expect(restPaused(around, resting())).toMatchObject({ kind: 'wait', ms: 60_000, parkedUntil: NOW + 60_000 })
  expect(restPaused(around, resting({}, 3))).toEqual(goesOn)
  expect(restPaused(around, resting({}, null))).toEqual(goesOn)
})

it('costs more by a word that was sent to it, and not by a late answer to a question of its agent', () => {
  const said = (payload: Record<string, unknown>) => [
    { id: 1, kind: 'followup', payload: { text: 'allow', ...payload } },
  ]
  expect(restPaused({ ...around, signals: said({}) }, resting())).toMatchObject({ kind: 'queue', uses: [1] })
  expect(restPaused({ ...around, signals: said({ requestId: 'q1' }) }, resting())).toMatchObject({ kind: 'wait' })
})

it('ends when nobody has allowed it more in time', () => {
  for (const parkedUntil of [NOW, null]) {
    expect(restPaused(around, resting({ parkedUntil }))).toMatchObject({ kind: 'fail', verdict: 'budget' })
  }
})

it('ends at its limit without a question, alone or with its race', () => {
  const race = { group: 'g' } as never
  for (const [change, who] of [
    [{}, 'the agent of t1 has'],
    [{ race }, 'the others in its race have'],
  ] as const) {
    const outcome = overBudget(around, aTask({ spec: aSpec({ maxCostUsd: 2, ...change }) }))
    expect(outcome).toMatchObject({
      kind: 'fail',
      error: { message: expect.stringContaining(`${who} cost more than $2.00`) },
    })
  }
})

it('has the limit that its user names from then on, the highest of several, and asks again there', () => {
  const said = (...limits: number[]) =>
    limits.map((maxCostUsd, index) => ({ id: index + 1, kind: 'followup', payload: { text: 'go on', maxCostUsd } }))
  expect(restPaused({ ...around, signals: said(5, 9) }, resting())).toEqual({
    ...{ kind: 'queue', uses: [1, 2] },
    facts: { paused: null, limitUsd: 9, granted: false },
  })
  const hold = { until: NOW + 1_000, why: 'a budget' }
  const ofMany = resting({ facts: { paused: 'window' } })
  expect(restPaused({ ...around, signals: said(5), budgetHold: () => hold }, ofMany)).toMatchObject({ kind: 'wait' })
})

it('is paused between two tools of its agent, or a minute after it might have been', () => {
  const task = (overSince: number | null) => aTask({ facts: { overSince } })
  const paused = overBudget(around, aTask({ spec: aSpec({ maxCostUsd: 2, atLimit: 'ask' }) }))
  const before = (overSince: number | null) =>
    beforePause({ now: NOW }, task(overSince), paused, { facts: { parks: 1 } })
  expect(before(null)).toMatchObject({ kind: 'wait', ms: 1_000, facts: { overSince: NOW, parks: 1 } })
  expect(before(NOW - 59_500)).toMatchObject({ kind: 'wait', ms: 500, facts: { overSince: NOW - 59_500 } })
  for (const overSince of [NOW - 60_000, NOW + 1]) expect(before(overSince)).toBeUndefined()
  const ended = overBudget(around, aTask({ spec: aSpec({ maxCostUsd: 2 }) }))
  expect(beforePause({ now: NOW }, task(null), ended, {})).toBeUndefined()
})
