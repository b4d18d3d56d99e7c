/** When a predecessor lets its successor go on, as a table; and what a held task is. */
import { describe, expect, it } from 'vitest'
import { beforeTurn, heldBack, meets, releasing, workOf } from '../../../../../daemon/engine/rules/after.ts'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import type { AfterSpec } from '../../../../../src/core/source.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aConfig, aSpec, aTask } from '../../../../support/builders.ts'

const RESULT = {
  ...{ branch: 'b', commit: '2'.repeat(40), ahead: 1, filesChanged: 1, insertions: 1, deletions: 0 },
  ...{ summary: null, salvaged: false, check: null },
}
const SALVAGE = { commit: RESULT.commit, baseCommit: '1'.repeat(40), ahead: 1, salvaged: false, saved: [], leftOut: [] }
const saved: Partial<Task> = { result: RESULT, facts: { salvage: SALVAGE } }
const after = (change: Partial<AfterSpec> = {}): AfterSpec => ({
  ...{ ids: ['t0'], from: [], if: 'ok', onFailed: 'hold', ...change },
})

describe('a predecessor', () => {
  const completed = { status: 'completed', step: 'cleanup', ...saved } as const
  const failed = { status: 'failed', step: 'cleanup' } as const
  it.each<[what: string, task: Partial<Task>, condition: AfterSpec['if'], gives: boolean, is: boolean]>([
    ['that is completed', completed, 'ok', false, true],
    ['that is completed with its work', completed, 'ok', true, true],
    ['that is completed and saved nothing', { ...completed, result: null }, 'ok', true, false],
    ['whose work is only named', { ...completed, facts: {} }, 'ok', true, false],
    ['that failed', failed, 'ok', false, false],
    ['that failed, where any end counts', failed, 'ended', false, true],
    ['that failed and gives nothing, where any end counts', failed, 'ended', true, false],
    ['that failed, with its work, where any end counts', { ...failed, ...saved }, 'ended', true, true],
    ['whose work is on its way home', { ...failed, step: 'salvage' }, 'ended', false, false],
    ['that runs', { status: 'in_progress', step: 'running' }, 'ended', false, false],
  ])('%s', (_what, task, condition, gives, is) => {
    expect(meets(after({ if: condition }), gives, aTask(task))).toBe(is)
  })

  it('gives the commit of its attempt by name', () => {
    expect(workOf(aTask({ attempt: 2, ...saved }))).toEqual({ id: 't1', ref: 'refs/tdf/t1/2', commit: RESULT.commit })
  })
})

describe('a held task', () => {
  const input = { now: 1_000, config: aConfig(), jitter: 1, epochAt: 0 }
  const spec = aSpec({ after: after({ ids: ['t0', 't2'] }) })

  it('is looked at again a day later, whatever becomes of the others, and no deadline runs', () => {
    const day = 24 * 3_600_000
    const awaited = { wakeAt: 1_000 + day, deadlineAt: null }
    expect(heldBack(aTask({ spec }), input)).toMatchObject({ ...awaited, facts: { awaits: 'predecessors' } })
    expect(beforeTurn(aTask({ spec }), input)).toMatchObject({ ...awaited, facts: { awaits: 'turn', blocked: null } })
  })

  it('says what it comes after, and without a predecessor nothing', () => {
    expect(heldBack(aTask({ spec }), input).waitingFor).toBe('t0 and t2')
    expect(heldBack(aTask(), input).waitingFor).toBe('')
    expect(releasing(aTask({ spec })).events).toMatchObject([{ type: 'task.released', data: { after: ['t0', 't2'] } }])
    expect(releasing(aTask()).events).toMatchObject([{ data: { after: [] } }])
  })

  it('that has its base asks for a slot, with all of the time for it', () => {
    const commit = '3'.repeat(40)
    const base = { ref: 'refs/tdf/t1/base', commit, baseCommit: commit, salvaged: false, resumeRef: null }
    const held = aTask({ spec, facts: { awaits: 'base' }, stepAttempt: 2 })
    const { task, events } = decide(held, { kind: 'release', base }, input)
    const deadlineAt = input.now + input.config.runner.queueTimeout
    expect(task).toMatchObject({
      deadlineAt,
      wakeAt: deadlineAt,
      stepEnteredAt: input.now,
      waitingFor: 'a slot on a node',
    })
    expect(task.facts).toEqual({ awaits: null, blocked: null, releasedAt: input.now, resume: base })
    expect(events).toHaveLength(1)
  })

  it('whose base cannot be made waits on, with no deadline', () => {
    const blocked = { by: ['t0', 't2'], attempt: 1, files: ['a.txt'] }
    const held = aTask({ spec, facts: { awaits: 'base' }, stepAttempt: 2, deadlineAt: 5 })
    const { task, events } = decide(held, { kind: 'block', blocked }, input)
    expect(task).toMatchObject({ deadlineAt: null, stepAttempt: 1, facts: { awaits: 'predecessors', blocked } })
    expect(events).toMatchObject([{ type: 'task.blocked', data: blocked }])
  })
})
