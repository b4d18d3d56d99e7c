import { describe, expect, it } from 'vitest'
import { budgetLeft, sum, tally, totalOf } from '../../../../../daemon/engine/rules/usage.ts'
import type { Usage } from '../../../../../src/core/task.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'

const used = (inputTokens: number, costUsd: number | null = null, cumulative = false) => ({
  inputTokens,
  outputTokens: 1,
  costUsd,
  cumulative,
})
const session = (sessionId: string, usage: ReturnType<typeof used>, resumeRef: string | null = null) => ({
  sessionId,
  resumeRef,
  usage,
})
/** The sums after these sessions have reported, one after the other. */
function totalAfter(
  sessions: ReturnType<typeof session>[],
  resume?: Record<string, Usage>,
  prices?: object,
): Usage | null {
  const about = { ref: 'r', commit: 'c', baseCommit: 'b', salvaged: false, resumeRef: null }
  const before = resume ? { resume: { ...about, usages: resume } } : {}
  let usages: Record<string, Usage> = {}
  const both = { inputPrice: 0, outputPrice: 0, ...prices }
  for (const one of sessions) usages = tally({ facts: { ...before, usages } }, one, both)
  return totalOf({ facts: before }, usages)
}

describe('the usage of an attempt', () => {
  it('is not known before somebody reports', () => expect(totalAfter([])).toBeNull())
  it('adds up sessions that count anew', () => {
    const both = [session('s1', used(100, 0.5)), session('s2', used(30, 0.25))]
    expect(totalAfter(both)).toEqual({ inputTokens: 130, outputTokens: 2, costUsd: 0.75 })
  })
  it('takes the newest of what one session reports', () => {
    expect(totalAfter([session('s1', used(100, 0.5)), session('s1', used(120, 0.6))])?.inputTokens).toBe(120)
  })
  it('counts a conversation that counts on once', () => {
    const both = [session('s1', used(240, null, true), 'th1'), session('s2', used(360, null, true), 'th1')]
    expect(totalAfter(both)?.inputTokens).toBe(360)
  })
  it('leaves out what the conversation had used in an earlier attempt', () => {
    const before = { 'conversation th1': { inputTokens: 240, outputTokens: 1, costUsd: null } }
    expect(totalAfter([session('s1', used(360, null, true), 'th1')], before)?.inputTokens).toBe(120)
  })
  it('is priced by the configuration where the agent names no money', () => {
    expect(totalAfter([session('s1', used(2_000_000))], undefined, { inputPrice: 1.25, outputPrice: 0 })?.costUsd).toBe(
      2.5,
    )
    expect(totalAfter([session('s1', used(2_000_000))])?.costUsd).toBeNull()
  })
})

describe('a budget', () => {
  const spec = aSpec({ maxCostUsd: 3 })
  it('has left what no attempt has spent', () => {
    expect(budgetLeft(aTask({ spec }), 1, sum([{ inputTokens: 1, outputTokens: 1, costUsd: 0.5 }]))).toBe(1.5)
  })
  it('is no limit when none was set', () => expect(budgetLeft(aTask(), 9, null)).toBeNull())
})
