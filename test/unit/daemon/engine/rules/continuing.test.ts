/** What a continued attempt goes on from, and when a task cannot go on: by tables. */
import { describe, expect, it } from 'vitest'
import {
  type ContinueRequest,
  changeFor,
  continuedFrom,
  lastSaved,
  raisedLimit,
  refuseChange,
  refuseOpen,
  refuseSpent,
} from '../../../../../daemon/engine/rules/continuing.ts'
import type { Task, TaskSpec } from '../../../../../src/core/task.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'

const salvage = {
  commit: 'c'.repeat(40),
  baseCommit: 'b'.repeat(40),
  ahead: 1,
  salvaged: false,
  saved: [],
  leftOut: [],
}
const result = { branch: 'b', commit: salvage.commit } as Task['result']
const ended = (change: Partial<Task> = {}) => aTask({ status: 'failed', step: null, ...change })
const saved = (change: Partial<Task> = {}) => ended({ facts: { salvage }, result, ...change })
const request = (change: Partial<ContinueRequest['change']> = {}): ContinueRequest => ({
  ...{ key: 'k', hash: 'h' },
  change: { prompt: 'more', ...change },
})
const claude: TaskSpec['agent'] = { name: 'claude', type: 'claude', command: ['claude'], env: [] }

describe('a task goes on', () => {
  it.each<[string, Task]>([
    ['when it is over', ended()],
    ['when only its cleanup is left', ended({ step: 'cleanup' })],
    ['when its work came home late', ended({ step: 'cleanup', facts: { held: true, saved: true } })],
  ])('%s', (_, task) => {
    expect(() => refuseOpen(task)).not.toThrow()
  })

  it.each<[string, Task, RegExp, string]>([
    ['while it runs', aTask({ status: 'in_progress', step: 'running' }), /is in_progress/, 'tdf send t1'],
    ['while it waits for a slot', aTask(), /is queued/, 'tdf send t1'],
    ['while its work is on its way home', ended({ step: 'salvage' }), /on its way home/, 'tdf wait t1'],
  ])('but not %s', (_, task, message, hint) => {
    const refused = expect.objectContaining({ code: 'WRONG_STATE', hint: expect.stringContaining(hint) })
    expect(() => refuseOpen(task)).toThrow(refused)
    expect(() => refuseOpen(task)).toThrow(message)
  })

  it('from the newest attempt of which something was saved', () => {
    const attempts = [saved(), saved({ attempt: 2 }), ended({ attempt: 3, facts: { salvage } }), ended({ attempt: 4 })]
    expect(lastSaved('t1', attempts, () => false).attempt).toBe(2)
    expect(() => lastSaved('t1', [ended()], () => false)).toThrow(
      expect.objectContaining({ code: 'NO_RESULT', hint: 'tdf retry t1' }),
    )
  })

  it.each<[string, Task[], number]>([
    ['of the one it would go on from', [saved({ nodeName: 'n1' }), ended({ attempt: 2 })], 1],
    ['of a later one', [saved(), ended({ attempt: 2, nodeName: 'n1' }), ended({ attempt: 3 })], 2],
    ['of the only one', [ended({ nodeName: 'n1' })], 1],
  ])('but not while more may come home %s', (_, attempts, of) => {
    const refused = expect.objectContaining({ code: 'WRONG_STATE', hint: 'tdf why t1' })
    const read = () => lastSaved('t1', attempts, ({ attempt }) => attempt === of)
    expect(read).toThrow(refused)
    expect(read).toThrow(`(attempt ${of}) is still on n1`)
  })

  it('and work of an earlier one that may still come is none of its business', () => {
    expect(
      lastSaved('t1', [ended({ nodeName: 'n1' }), saved({ attempt: 2 })], ({ attempt }) => attempt === 1).attempt,
    ).toBe(2)
  })
})

describe('what it is asked', () => {
  it('is the new words, with agent and limit of the last attempt and all else as at submit', () => {
    const last = saved({ spec: aSpec({ agent: claude, maxCostUsd: 3, check: 'true' }) })
    expect(changeFor(last, request())).toEqual({ prompt: 'more', agent: claude, maxCostUsd: 3 })
    expect(changeFor(saved(), request({ check: 'false' }))).toMatchObject({ maxCostUsd: null, check: 'false' })
    const other = { ...claude, name: 'other' }
    const fallback = { agents: [other], afterMs: 1, passedOver: [] }
    const handed = saved({ spec: aSpec({ agent: other, firstAgent: claude, fallback }) })
    const behind = { ...fallback, agents: [claude, other] }
    expect(changeFor(handed, request())).toMatchObject({ agent: other, fallback: behind })
  })

  it('takes the conversation along for the same type of agent alone', () => {
    const facts = { salvage, session: { status: 'exited' as const, exitCode: 0, signal: null, resumeRef: 'c1' } }
    const before = saved({ attempt: 2, spec: aSpec({ agent: claude }), facts })
    const of = (agent: TaskSpec['agent']) => continuedFrom(before, request(), { prompt: 'more', agent })
    expect(of({ ...claude, name: 'claude-work' })).toMatchObject({ of: 2, hash: 'h', from: { resumeRef: 'c1' } })
    expect(of({ ...claude, type: 'codex' })).toMatchObject({
      of: 2,
      from: { ref: 'refs/tdf/t1/2', commit: salvage.commit, baseCommit: salvage.baseCommit, resumeRef: null },
    })
  })

  it('is words alone where a session waits for them', () => {
    expect(() => refuseChange('t1', request())).not.toThrow()
    expect(() => refuseChange('t1', request({ check: 'true' }))).toThrow(/nothing else \(check\)/)
  })
})

describe('the limit of cost', () => {
  const over = (verdict: Task['verdict'], maxCostUsd: number | null) => ended({ verdict, spec: aSpec({ maxCostUsd }) })

  it.each<[string, Task, number | null, number]>([
    ['there is none', over('budget', 1), null, 9],
    ['there is room', over('verified', 3), 3, 2],
    ['there is more than before', over('budget', 1), 3, 2],
  ])('lets it go on when %s', (_, task, limit, spent) => {
    expect(() => refuseSpent(task, limit, spent)).not.toThrow()
  })

  it.each<[string, Task, number, number, string]>([
    ['all attempts together have cost it', over('verified', 3), 3, 3.2, '--max-cost 5'],
    ['they have cost just that', over('verified', 3), 3, 3, '--max-cost 4'],
    ['it ended by it and gets no more', over('budget', 2), 2, 1.9, '--max-cost 3'],
    ['it ended by one that is not known', over('budget', null), 0, 0, '--max-cost 1'],
  ])('keeps it when %s', (_, task, limit, spent, hint) => {
    const hinted = expect.objectContaining({ hint: expect.stringContaining(hint) })
    expect(() => refuseSpent(task, limit, spent)).toThrow(hinted)
  })
})

describe('a task that rests for its money goes on', () => {
  const rests = (paused: 'task' | 'window') =>
    aTask({ status: 'parked', facts: { paused }, spec: aSpec({ maxCostUsd: 4 }) })
  const asked = (change: Partial<ContinueRequest['change']>, hasWords = false) => ({ ...request(change), hasWords })

  it('by a limit above what it may cost and what it has cost, whoever goes on behind its agent', () => {
    const fallback = { agents: [], afterMs: 1, on: [] } as never
    expect(raisedLimit(rests('task'), { ...request({ maxCostUsd: 4.5, fallback }) }, 4.2)).toBe(4.5)
  })

  it.each<[string, Task, ContinueRequest, number, string, string]>([
    ['without a limit', rests('task'), asked({}), 4, 'by a higher limit of cost', 'tdf continue t1 --max-cost 5'],
    ['with words', rests('task'), asked({ maxCostUsd: 9 }, true), 4, '(words)', 'tdf continue t1 --max-cost 5'],
    [
      'by another check',
      rests('task'),
      asked({ maxCostUsd: 9, check: 'x' }),
      4,
      '(check)',
      'tdf continue t1 --max-cost 5',
    ],
    [
      'by no more than before',
      rests('task'),
      asked({ maxCostUsd: 4 }),
      3,
      'is not more',
      'tdf continue t1 --max-cost 5',
    ],
    [
      'by less than is spent',
      rests('task'),
      asked({ maxCostUsd: 5 }),
      6,
      'is not more',
      'tdf continue t1 --max-cost 7',
    ],
    ['where a budget holds it', rests('window'), asked({ maxCostUsd: 9 }), 4, 'of many tasks', 'tdf send t1 allow'],
  ])('not %s', (_, task, wish, spentUsd, message, hint) => {
    const refused = expect.objectContaining({ code: 'WRONG_STATE', message: expect.stringContaining(message), hint })
    expect(() => raisedLimit(task, wish, spentUsd)).toThrow(refused)
  })
})
