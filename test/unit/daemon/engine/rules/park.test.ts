/** A task that rests for a usage limit, gives its machine back, and goes on: what is written each time, exactly. */
import { describe, expect, it } from 'vitest'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import { advance, type Outcome } from '../../../../../daemon/engine/rules/outcome.ts'
import { type DecisionInput, resumeOf } from '../../../../../daemon/engine/rules/transition.ts'
import type { AgentType } from '../../../../../src/core/agent.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import type { Task, TaskResult } from '../../../../../src/core/task.ts'
import { aConfig, aPlacedTask, aSpec } from '../../../../support/builders.ts'

const MIN = 60_000
const NOW = 100_000 * MIN
const input = (jitter = 1): DecisionInput => ({ now: NOW, config: aConfig(), jitter, epochAt: 0 })
const limit = new TdfError('AGENT_BUSY', 'limit reached')

const runs = (change: Partial<Task> = {}) => aPlacedTask({ step: 'running', status: 'in_progress', ...change })
const parks = (resetAt: number, release = false): Outcome => ({ kind: 'park', resetAt, release, error: limit })
const by = (type: AgentType) => aSpec({ agent: { ...aSpec().agent, type } })

const commit = '2'.repeat(40)
const baseCommit = '1'.repeat(40)
const salvage = { commit, baseCommit, ahead: 1, salvaged: true, leftOut: [] }
const session = { status: 'exited' as const, exitCode: 0, signal: null, resumeRef: 'c2' }
const used = { inputTokens: 1, outputTokens: 2, costUsd: 3 }
const result: TaskResult = {
  branch: 'b',
  commit,
  ahead: 1,
  filesChanged: 1,
  insertions: 1,
  deletions: 0,
  summary: null,
  salvaged: true,
  check: null,
}

describe('a task that is parked', () => {
  it('rests until its limit is lifted and up to a tenth longer, two minutes at most', () => {
    const rests = (ms: number, jitter: number) => {
      const { task } = decide(runs(), parks(NOW + ms), input(jitter))
      expect(task.wakeAt).toBe(task.parkedUntil)
      return Number(task.parkedUntil) - NOW
    }
    expect(rests(10 * MIN, 0)).toBe(10 * MIN)
    expect(rests(10 * MIN, 1)).toBe(11 * MIN)
    expect(rests(10 * MIN, 0.5)).toBe(10.5 * MIN)
    expect(rests(100 * MIN, 1)).toBe(102 * MIN)
    expect(rests(-10 * MIN, 1)).toBe(-10 * MIN)
  })

  it('keeps its workspace, tells the others of the limit, and says why in the journal', () => {
    const { task, writes, events } = decide(runs(), parks(NOW + MIN), input(0))
    expect(task).toMatchObject({ status: 'parked', step: 'agent_session', nodeName: 'n1', deadlineAt: null })
    expect(task.facts).toEqual({ parkedAt: NOW, parks: 1 })
    expect(writes).toEqual([{ kind: 'limit', credential: null, until: NOW + MIN }])
    expect(events[0]).toMatchObject({ type: 'task.status', data: { to: 'parked', reason: 'limit reached' } })
  })

  it('counts how often it was parked', () => {
    const { task } = decide(runs({ facts: { parks: 2 } }), parks(NOW + MIN), input())
    expect(task.facts.parks).toBe(3)
  })

  it('brings its work home at once when its machine is to be released', () => {
    const { task } = decide(runs(), parks(NOW + 60 * MIN, true), input(0))
    expect(task).toMatchObject({ status: 'parked', step: 'salvage', wakeAt: NOW, parkedUntil: NOW + 60 * MIN })
    expect(task.deadlineAt).toBe(NOW + 10 * MIN)
  })

  it('has the time in which it rested added to the limit of its run', () => {
    const rested = aPlacedTask({
      step: 'agent_session',
      status: 'parked',
      parkedUntil: NOW,
      absoluteAt: NOW + MIN,
      startedAt: 5,
      facts: { parkedAt: NOW - 30 * MIN },
    })
    const { task } = decide(rested, advance('running'), input())
    expect(task).toMatchObject({ absoluteAt: NOW + 31 * MIN, parkedUntil: null, startedAt: 5, status: 'in_progress' })
    expect(task.facts.parkedAt).toBeNull()
    // Also that of a rest which another one follows before it runs.
    const again = decide(rested, parks(NOW + MIN, true), input()).task
    expect(again.facts.parkedAt).toBe(NOW - 30 * MIN)
  })

  it('goes back to the queue when its rest is over', () => {
    const rested = aPlacedTask({ step: 'node_selection', status: 'parked', parkedUntil: NOW, nodeName: null })
    const { task, events, writes } = decide(rested, { kind: 'queue' }, input())
    expect(task).toMatchObject({ status: 'queued', step: 'node_selection', wakeAt: NOW, parkedUntil: null })
    expect(events).toMatchObject([{ type: 'task.status', data: { from: 'parked', reason: 'it may go on' } }])
    expect(writes).toEqual([])
  })
})

describe('a machine that is released', () => {
  const home = (change: Partial<Task> = {}) =>
    aPlacedTask({
      step: 'salvage',
      status: 'parked',
      parkedUntil: NOW + MIN,
      spec: by('claude'),
      facts: { salvage, session, saved: true, parkedAt: NOW },
      ...change,
    })
  const released = (task: Task) => decide(task, advance('node_selection', { workspaceStatus: 'stopped' }), input())

  it('takes its workspace with it, and the task rests in the queue under a new placement', () => {
    const { task, writes, events } = released(home())
    expect(task).toMatchObject({
      status: 'parked',
      step: 'node_selection',
      placement: 2,
      nodeName: null,
      workspaceId: null,
      parkedUntil: NOW + MIN,
      wakeAt: NOW + MIN,
      deadlineAt: null,
    })
    expect(writes).toEqual([
      { kind: 'workspace_status', status: 'stopped' },
      { kind: 'cleanup', items: ['stop_workspace', 'delete_workspace'], workspaceId: 't1-1-1', nodeName: 'n1' },
      { kind: 'drop_reservation' },
    ])
    expect(events).toMatchObject([{ type: 'task.step', data: { from: 'salvage', to: 'node_selection' } }])
  })

  it('lets the task go on at once where nothing says how long it rests', () => {
    expect(released(home({ parkedUntil: null })).task).toMatchObject({ parkedUntil: NOW, wakeAt: NOW })
  })

  it('leaves the task its tree, and its conversation, or where that stays when it cannot travel', () => {
    const facts = (type: AgentType) => released(home({ spec: by(type) })).task.facts
    const resume = { ref: 'refs/tdf/t1/1', commit, baseCommit, salvaged: true, resumeRef: 'c2' }
    expect(facts('claude')).toEqual({ salvage, saved: false, parkedAt: NOW, resume, session })
    expect(facts('codex').resume).toEqual(resume)
    const stays = { ...resume, onlyOn: 'n1' }
    expect(facts('acp')).toMatchObject({ resume: stays, session: { status: 'exited', resumeRef: null } })
  })

  it('leaves nothing to go on from where nothing was saved', () => {
    const { task } = released(home({ facts: { saved: false } }))
    expect(task.facts).toEqual({ saved: false })
  })
})

describe('a machine that is released before an agent was started there', () => {
  const untouched = { ...salvage, commit: baseCommit, salvaged: false, saved: [] }
  const begins = (facts: Task['facts']) => {
    const task = aPlacedTask({ step: 'salvage', status: 'parked', parkedUntil: NOW, spec: by('claude'), facts })
    return decide(task, advance('node_selection'), input()).task.facts.resume
  }

  it('leaves the task to begin as it would have begun there', () => {
    expect(begins({ salvage: untouched })).toBeUndefined()
    const resume = { ref: 'refs/tdf/t0/1', commit, baseCommit, salvaged: false, resumeRef: null }
    expect(begins({ salvage: { ...untouched, commit }, resume })).toEqual(resume)
  })

  it('leaves it what is there all the same, by a start that was cut off', () => {
    const own = { ref: 'refs/tdf/t1/1' }
    expect(begins({ salvage })).toMatchObject({ ...own, commit })
    const resume = { ref: 'refs/tdf/t0/1', commit: baseCommit, baseCommit, salvaged: false, resumeRef: null }
    expect(begins({ salvage: { ...untouched, commit }, resume })).toMatchObject({ ...own, commit })
    const beside = { ref: 'x', name: 'side', kind: 'branch' as const, commit, ahead: 1 }
    expect(begins({ salvage: { ...untouched, saved: [beside] } })).toMatchObject({ ...own, commit: baseCommit })
    expect(begins({ salvage: untouched, session })).toMatchObject(own)
  })
})

describe('an attempt that goes on from an earlier one', () => {
  const over = (facts: Task['facts'], change: Partial<Task> = {}) =>
    aPlacedTask({ spec: by('claude'), status: 'failed', verdict: 'timeout', result, facts, ...change })

  it('takes the saved tree, the conversation, and what each conversation had used', () => {
    const first = { ref: 'r', commit, baseCommit, salvaged: true, resumeRef: 'c1', usages: { c1: used } }
    expect(resumeOf(over({ salvage, session, usages: { c2: used }, resume: first }))).toEqual({
      ref: 'refs/tdf/t1/1',
      commit,
      baseCommit,
      salvaged: true,
      resumeRef: 'c2',
      usages: { c1: used, c2: used },
    })
    expect(resumeOf(over({ salvage }))).toMatchObject({ resumeRef: null, usages: {} })
  })

  it('needs saved work and its result, and the next command is named where there is none', () => {
    const refused = expect.objectContaining({ code: 'NO_RESULT', hint: 'tdf retry t1' })
    expect(() => resumeOf(over({}))).toThrow(refused)
    expect(() => resumeOf(over({ salvage }, { result: null }))).toThrow(refused)
  })
})
