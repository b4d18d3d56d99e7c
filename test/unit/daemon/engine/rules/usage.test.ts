import { describe, expect, it } from 'vitest'
import { budgetLeft, sum, tally, totalOf, usageSince } from '../../../../../daemon/engine/rules/usage.ts'
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
  it('is priced for what comes out of the agent as for what goes in', () => {
    const long = { inputTokens: 1_000_000, outputTokens: 3_000_000, costUsd: null, cumulative: false }
    expect(totalAfter([session('s1', long)], undefined, { inputPrice: 0, outputPrice: 4 })?.costUsd).toBe(12)
    expect(totalAfter([session('s1', long)], undefined, { inputPrice: 2, outputPrice: 4 })?.costUsd).toBe(14)
    expect(totalAfter([session('s1', long)], undefined, { inputPrice: 2, outputPrice: 2 })?.costUsd).toBe(8)
  })
  it('costs what the agent says, also where the configuration has prices', () => {
    const prices = { inputPrice: 1, outputPrice: 1 }
    expect(totalAfter([session('s1', used(1_000_000, 0.5))], undefined, prices)?.costUsd).toBe(0.5)
  })
  it('has no price where the configuration does not know the agent', () => {
    const { s1 } = tally({ facts: {} }, session('s1', used(100)), undefined)
    expect(s1).toEqual({ inputTokens: 100, outputTokens: 1, costUsd: null })
  })
  it('stays as it is while a session reports nothing', () => {
    const usages = { s1: { inputTokens: 1, outputTokens: 2, costUsd: 3 } }
    expect(tally({ facts: { usages } }, { sessionId: 's2', resumeRef: null, usage: null }, undefined)).toEqual(usages)
  })
  it('counts each session of a conversation that counts anew, and each one that has no conversation', () => {
    const anew = [session('s1', used(100), 'th1'), session('s2', used(30), 'th1')]
    expect(totalAfter(anew)?.inputTokens).toBe(130)
    const without = [session('s1', used(100, null, true)), session('s2', used(30, null, true))]
    expect(totalAfter(without)?.inputTokens).toBe(130)
  })
  it('is what came on top of the attempt before it, and never less than nothing', () => {
    const total = (before: Usage, now: Usage) => {
      const resume = {
        ref: 'r',
        commit: 'c',
        baseCommit: 'b',
        salvaged: false,
        resumeRef: 'c1',
        usages: { c1: before },
      }
      return totalOf({ facts: { resume } }, { c1: now })
    }
    const less = { inputTokens: 10, outputTokens: 20, costUsd: 0.5 }
    const more = { inputTokens: 15, outputTokens: 27, costUsd: 2 }
    expect(total(less, more)).toEqual({ inputTokens: 5, outputTokens: 7, costUsd: 1.5 })
    expect(total(more, less)).toEqual({ inputTokens: 0, outputTokens: 0, costUsd: 0 })
    expect(total({ ...less, costUsd: null }, more)?.costUsd).toBe(2)
  })
  it('has the costs that are known where some are not', () => {
    const known = { inputTokens: 1, outputTokens: 1, costUsd: 0.5 }
    expect(sum([known, { ...known, costUsd: null }, known]).costUsd).toBe(1)
  })
})

describe('a budget', () => {
  const spec = aSpec({ maxCostUsd: 3 })
  it('has left what no attempt has spent', () => {
    expect(budgetLeft(aTask({ spec }), 1, sum([{ inputTokens: 1, outputTokens: 1, costUsd: 0.5 }]))).toBe(1.5)
  })
  it('is whole but for earlier attempts before an agent has reported', () => {
    expect(budgetLeft(aTask({ spec }), 1, null)).toBe(2)
    expect(budgetLeft(aTask({ spec }), 1, { inputTokens: 1, outputTokens: 1, costUsd: null })).toBe(2)
  })
  it('is no limit when none was set', () => expect(budgetLeft(aTask(), 9, null)).toBeNull())
})

describe('what came to the usage of an attempt', () => {
  const of = (inputTokens: number, costUsd: number | null) => ({ inputTokens, outputTokens: 1, costUsd })
  it('is all of it at first, then the difference, which may be below 0', () => {
    expect(usageSince(null, of(10, 0.5))).toEqual(of(10, 0.5))
    expect(usageSince(of(10, 0.5), of(30, 1.25))).toEqual({ inputTokens: 20, outputTokens: 0, costUsd: 0.75 })
    expect(usageSince(of(30, 1.25), of(10, 1))).toEqual({ inputTokens: -20, outputTokens: 0, costUsd: -0.25 })
  })
  it('is nothing where nothing came, or nothing was told', () => {
    expect(usageSince(null, null)).toBeNull()
    expect(usageSince(of(10, 0.5), null)).toBeNull()
    expect(usageSince(of(10, 0.5), of(10, 0.5))).toBeNull()
    expect(usageSince(of(10, null), of(10, null))).toBeNull()
  })
  it('has a cost as soon as one is known, and takes it back where it is not known any more', () => {
    expect(usageSince(of(10, null), of(10, 0.5))?.costUsd).toBe(0.5)
    expect(usageSince(of(10, null), of(20, null))?.costUsd).toBeNull()
    expect(usageSince(of(10, 0.5), of(10, null))?.costUsd).toBe(-0.5)
  })
})
