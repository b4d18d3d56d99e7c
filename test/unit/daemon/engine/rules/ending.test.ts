/** How attempts end and go on elsewhere, where little is known of them: what is missing is said, never made up. */
import { describe, expect, it } from 'vitest'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import { advance, fail, wait } from '../../../../../daemon/engine/rules/outcome.ts'
import type { DecisionInput } from '../../../../../daemon/engine/rules/transition.ts'
import { totalOf } from '../../../../../daemon/engine/rules/usage.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import type { Task, TaskResult } from '../../../../../src/core/task.ts'
import { aConfig, aPlacedTask, aSpec } from '../../../../support/builders.ts'

const MIN = 60_000
const NOW = 1_000 * 60 * MIN
const input: DecisionInput = { now: NOW, config: aConfig(), jitter: 1, epochAt: 0 }
const late = { stepEnteredAt: NOW - MIN, deadlineAt: NOW - 1, waitingFor: null }
const salvages = (change: Partial<Task> = {}) => aPlacedTask({ step: 'salvage', status: 'in_progress', ...change })
const result = (ahead: number): TaskResult => ({
  ...{ branch: 'b', commit: '2'.repeat(40), ahead, filesChanged: 1, insertions: 1, deletions: 0 },
  ...{ summary: null, salvaged: true, check: null },
})
const push = { remote: 'https://example.org/repo.git', pr: false }

describe('a step that is late', () => {
  it('names no reason where none is known', () => {
    const { task } = decide(aPlacedTask({ step: 'workspace_ready', ...late }), wait(1, ''), input)
    expect(task.error?.message).toBe('copying the repository was not done after 60 s')
  })
  it('leaves the work on its node, which did not answer where no reason is known', () => {
    const silent = decide(salvages(late), { kind: 'wait', ms: 1, why: '', looked: true }, input)
    expect(silent.task.facts.held).toBe(true)
    expect(silent.failure?.error.message).toBe('the work of t1 is still on n1: it did not answer')
  })
  it('is a bug of ours where the attempt is at no step', () => {
    const over = aPlacedTask({ step: null, status: 'in_progress', ...late })
    expect(() => decide(over, wait(1, 'x'), input)).toThrow(expect.objectContaining({ code: 'BUG' }))
  })
})

describe('a completed task', () => {
  const completed = (change: Partial<Task>) =>
    decide(salvages({ verdict: 'unverified', spec: aSpec({ push }), ...change }), advance('cleanup'), input)
  const pushes = (change: Partial<Task>) => completed(change).writes.filter(({ kind }) => kind === 'push')

  it('is pushed when it asked for it and there is something to push', () => {
    expect(pushes({ result: result(1) })).toHaveLength(1)
    expect(pushes({ result: result(0) })).toEqual([])
    expect(pushes({ result: null })).toEqual([])
    expect(pushes({ result: result(1), spec: aSpec() })).toEqual([])
  })
  it('is the only one that is pushed', () => {
    const failed = fail(new TdfError('CHECK_FAILED', 'no'), 'check_failed')
    const { writes } = decide(salvages({ spec: aSpec({ push }), result: result(1) }), failed, input)
    expect(writes.filter(({ kind }) => kind === 'push')).toEqual([])
  })
})

describe('the error of an attempt', () => {
  const hint = (change: Partial<Task>) =>
    decide(
      aPlacedTask({ step: 'workspace_ready', ...change }),
      fail(new TdfError('NODE_LOST', 'x'), 'infrastructure'),
      input,
    ).task.error?.hint

  it('names the command that looks at its node', () => {
    expect(hint({})).toBe('tdf node show n1')
  })
  it('is none where the attempt leaves salvage with the verdict that it brought along', () => {
    const twice = { ...input, config: aConfig({ runner: { maxAttempts: 2 } }) }
    const { task, writes } = decide(salvages({ verdict: 'infrastructure' }), advance('cleanup'), twice)
    expect(task).toMatchObject({ status: 'failed', error: null })
    expect(writes[0]).toEqual({ kind: 'next_attempt' })
  })
})

describe('an attempt that a machine ended', () => {
  const ended = (code: 'NODE_LOST' | 'WORKSPACE_FAILED') =>
    decide(
      aPlacedTask({ step: 'running', status: 'in_progress' }),
      fail(new TdfError(code, 'gone'), 'infrastructure'),
      { ...input, config: aConfig({ runner: { maxAttempts: 2 } }) },
    ).writes.filter(({ kind }) => kind === 'next_attempt')

  it('is followed by the next one, unless that would meet the same', () => {
    expect(ended('NODE_LOST')).toHaveLength(1)
    expect(ended('WORKSPACE_FAILED')).toEqual([])
  })
})

describe('a parked task whose machine is released', () => {
  const salvage = { commit: '2'.repeat(40), baseCommit: '1'.repeat(40), ahead: 1, salvaged: true, leftOut: [] }
  const usages = { 'conversation c1': { inputTokens: 1, outputTokens: 1, costUsd: 0.5 } }
  const before = {
    ref: 'refs/tdf/t1/0',
    commit: salvage.commit,
    baseCommit: salvage.baseCommit,
    salvaged: true,
    usages,
  }
  const claude = aSpec({ agent: { ...aSpec().agent, type: 'claude' } })
  const released = (facts: Task['facts']) =>
    decide(salvages({ spec: claude, facts: { salvage, ...facts } }), advance('node_selection'), input).task.facts

  it('goes on with the conversation that it began with when it had none of its own', () => {
    expect(released({ resume: { ...before, resumeRef: 'c1' } }).resume).toMatchObject({ resumeRef: 'c1', usages })
  })
  it('begins a new conversation where there never was one', () => {
    expect(released({})).toMatchObject({ saved: false, resume: { resumeRef: null } })
    expect(released({})).not.toHaveProperty('session')
  })
})

describe('the cost of an attempt', () => {
  const usage = (costUsd: number | null) => ({ inputTokens: 10, outputTokens: 10, costUsd })
  const cost = (before: number | null, now: number | null) => {
    const resume = {
      ref: 'r',
      commit: 'c',
      baseCommit: 'b',
      salvaged: true,
      resumeRef: 'c1',
      usages: { c1: usage(before) },
    }
    return totalOf({ facts: { resume } }, { c1: usage(now) })?.costUsd
  }

  it('is what its conversation cost beyond the attempt before it', () => {
    expect(cost(0.5, 2)).toBe(1.5)
    expect(cost(null, 2)).toBe(2)
    expect(cost(2, 1)).toBe(0)
    expect(cost(0.5, null)).toBeNull()
  })
})
