import { describe, expect, it } from 'vitest'
import { agentSession } from '../../../../daemon/steps/agent-session.ts'
import { cleanup } from '../../../../daemon/steps/cleanup.ts'
import { salvage } from '../../../../daemon/steps/salvage.ts'
import { judge } from '../../../../daemon/steps/verdict.ts'
import type { Task, TaskResult } from '../../../../src/core/task.ts'
import type { CleanupItem } from '../../../../src/store/tables/cleanups.ts'
import { aPlacedTask, aSpec } from '../../../support/builders.ts'
import { aNode, aSignal, bench, scripted } from '../../../support/daemon/step-context.ts'

const result = (change: Partial<TaskResult> = {}): TaskResult => ({
  ...{ branch: 'tdf/x', commit: '2'.repeat(40), ahead: 1, filesChanged: 1, insertions: 1, deletions: 0 },
  ...{ summary: null, salvaged: false, check: null },
  ...change,
})

describe('salvage', () => {
  const task = (now: number, change: Partial<Task> = {}) =>
    aPlacedTask({ step: 'salvage', status: 'in_progress', stepEnteredAt: now, ...change })

  /** A run that has ended by itself after writing what the script says. */
  async function ranOut(script: object, change: Partial<Task> = {}) {
    const made = bench()
    const ran = scripted(task(made.ctx.now, change), script)
    made.workspace(ran)
    await agentSession(made.ctx, ran)
    await made.world.clock.advance(5_000)
    return { ...made, ran }
  }

  it('saves the work and remembers that it did', async () => {
    const { ctx, ran, results } = await ranOut({ commits: 2 })
    const outcome = await salvage(ctx, ran)
    expect(outcome).toMatchObject({
      kind: 'wait',
      ms: 0,
      facts: { saved: true, salvage: { ahead: 2 } },
      result: { ahead: 2 },
    })
    expect(results.refs.has('refs/tdf/t1/1')).toBe(true)
  })
  it('ends a run that still goes on before it saves', async () => {
    const made = bench()
    const ran = scripted(task(made.ctx.now), { hangs: true, dirty: true })
    made.workspace(ran)
    await agentSession(made.ctx, ran)
    expect(await salvage(made.ctx, ran)).toMatchObject({ kind: 'wait', why: 'the agent to end' })
    await made.world.clock.advance(1_000)
    expect(await salvage(made.ctx, ran)).toMatchObject({ facts: { saved: true, salvage: { salvaged: true } } })
  })
  it.each([
    ['the node does not answer', (made: ReturnType<typeof bench>) => (made.agent.faults.down = true)],
    ['the node’s disk is full', (made: ReturnType<typeof bench>) => (made.agent.faults.salvageFails = true)],
    ['the bundle is damaged', (made: ReturnType<typeof bench>) => (made.results.faults.broken = 1)],
    [
      'the agent refuses',
      (made: ReturnType<typeof bench>) => made.agent.faults.refuse.push({ match: /salvage/, status: 400 }),
    ],
  ])('never ends because %s: it waits and tries again', async (_, fault) => {
    const made = await ranOut({ commits: 1 })
    fault(made)
    expect(await salvage(made.ctx, made.ran)).toMatchObject({
      kind: 'wait',
      why: expect.stringContaining('another try to save the work'),
    })
  })
  it('has nothing to save where the machine is gone for good, and then does not call that success', async () => {
    const { ctx } = bench({ nodeState: aNode({ status: 'destroyed' }) })
    expect(await salvage(ctx, task(ctx.now))).toMatchObject({ kind: 'fail', verdict: 'infrastructure' })
    const judged = task(ctx.now, { status: 'failed', verdict: 'agent_error' })
    expect(await salvage(ctx, judged)).toMatchObject({ kind: 'advance', to: 'cleanup' })
  })
  it('has nothing to save where the agent does not know the workspace', async () => {
    const { ctx } = bench()
    expect(await salvage(ctx, task(ctx.now))).toMatchObject({ kind: 'fail', error: { code: 'WORKSPACE_GONE' } })
  })

  const saved = (change: Partial<Task> = {}) => task(0, { facts: { saved: true }, result: result(), ...change })

  it('lets the verdict fall once the work is home', async () => {
    expect(await salvage(bench().ctx, saved())).toMatchObject({ kind: 'advance', to: 'cleanup', verdict: 'unverified' })
  })
  it('leaves a verdict that has fallen as it is', async () => {
    const outcome = await salvage(bench().ctx, saved({ status: 'cancelled', verdict: 'cancelled' }))
    expect(outcome).toEqual({ kind: 'advance', to: 'cleanup' })
  })
  it('runs the check on the node as a session of its own, with its own limit', async () => {
    const { ctx, agent, workspace } = bench()
    const checked = saved({ spec: aSpec({ check: 'npm test' }) })
    workspace(checked)
    expect(await salvage(ctx, checked)).toMatchObject({
      kind: 'wait',
      deadlineMs: 31 * 60_000,
      facts: { check: { ended: false } },
    })
    const session = agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s1-check')
    expect(session?.body).toMatchObject({
      agent: { type: 'command', command: ['sh', '-c', 'npm test'] },
      timeoutMs: 30 * 60_000,
    })
  })
  it('that was told to have ended takes its exit code from the node that holds it', async () => {
    const { ctx, world, workspace } = bench()
    const checked = saved({ spec: aSpec({ check: 'npm test' }) })
    workspace(checked)
    await salvage(ctx, checked)
    const body = { seq: 9, attempt: 1, sessionId: 't1-1-1-s1-check', status: 'completed', exitCode: 1, signal: null }
    const told = { ...ctx, signals: [aSignal('session_exited', body)] }
    const facts = { saved: true, check: { sessionId: 't1-1-1-s1-check', exitCode: null, ended: false } }
    expect(await salvage(told, { ...checked, facts })).toMatchObject({ kind: 'wait' })
    await world.clock.advance(1_000)
    const check = { command: 'npm test', exitCode: 0 }
    expect(await salvage(told, { ...checked, facts })).toMatchObject({ verdict: 'verified', result: { check } })
  })
  it('asks for the end of the check when nobody tells', async () => {
    const { ctx, world, workspace } = bench()
    const first = saved({ spec: aSpec({ check: 'true' }) })
    workspace(first)
    await salvage(ctx, first)
    const facts = { saved: true, check: { sessionId: 't1-1-1-s1-check', exitCode: null, ended: false } }
    expect(await salvage(ctx, { ...first, facts })).toMatchObject({ kind: 'wait', why: 'the check to end' })
    await world.clock.advance(1_000)
    expect(await salvage(ctx, { ...first, facts })).toMatchObject({ kind: 'advance', verdict: 'verified' })
  })
})

describe('what a check leaves to look at', () => {
  const files = (from: 'agent' | 'check') => ({ list: [expect.objectContaining({ path: 'report.xml', from })] })
  const salvageFacts = { commit: '2'.repeat(40), baseCommit: '1'.repeat(40), ahead: 1, salvaged: false, leftOut: [] }

  /** A check that failed just now. */
  async function checkedRun(known: Partial<Task['facts']['salvage']> = { files: null }, change: Partial<Task> = {}) {
    const made = bench()
    const task = aPlacedTask({
      ...{ step: 'salvage', status: 'in_progress', stepEnteredAt: made.ctx.now, result: result() },
      ...{ spec: aSpec({ check: 'npm test' }), facts: { saved: true, salvage: { ...salvageFacts, ...known } } },
      ...change,
    })
    made.workspace(task)
    await salvage(made.ctx, task)
    await made.world.clock.advance(1_000)
    const check = { sessionId: 't1-1-1-s1-check', exitCode: null, ended: false }
    made.agent.faults.artifacts = 'one'
    return { ...made, task: { ...task, facts: { ...task.facts, check } } }
  }
  const goOn = (task: Task, outcome: object): Task => {
    const { facts } = outcome as { facts: Task['facts'] }
    return { ...task, facts: { ...task.facts, ...facts } }
  }

  it('is home before the verdict falls', async () => {
    const { ctx, task } = await checkedRun()
    expect(await salvage(ctx, task)).toMatchObject({
      verdict: 'verified',
      facts: { salvage: { files: files('check') } },
    })
  })

  it('is nothing new where the node has what is home', async () => {
    const { ctx, task, agent } = await checkedRun()
    agent.faults.artifacts = 'none'
    expect(await salvage(ctx, task)).toMatchObject({ verdict: 'verified', facts: { salvage: { files: null } } })
  })

  it('is not asked for where the node knows no artifacts', async () => {
    const { ctx, task } = await checkedRun({})
    const outcome = await salvage(ctx, task)
    const check = { sessionId: 't1-1-1-s1-check', exitCode: 0, ended: true }
    expect(outcome).toMatchObject({ verdict: 'verified', facts: { check } })
    expect('facts' in outcome && outcome.facts).not.toHaveProperty('salvage')
  })

  it('is asked for again while the node does not answer, and the end of the check is remembered', async () => {
    const { ctx, task, agent } = await checkedRun()
    agent.faults.refuse.push({ match: /salvage/, status: 503 })
    const waiting = await salvage(ctx, task)
    expect(waiting).toMatchObject({ kind: 'wait', facts: { check: { ended: true, exitCode: 0 } } })
    expect(await salvage(ctx, goOn(task, waiting))).toMatchObject({ facts: { salvage: { files: files('check') } } })
    const gone = { ...ctx, node: () => undefined }
    expect(await salvage(gone, goOn(task, waiting))).toMatchObject({ kind: 'advance', verdict: 'verified' })
  })

  it.each([
    ['refuses', { status: 400 }, null],
    ['does not answer until it is late', { status: 503 }, 0],
  ])('is named as left out where the node %s', async (_, refusal, deadlineAt) => {
    const { ctx, task, agent } = await checkedRun({ files: null }, { deadlineAt })
    agent.faults.refuse.push({ match: /salvage/, ...refusal })
    const leftOut = [expect.objectContaining({ kind: 'artifact', reason: expect.stringContaining('was not saved') })]
    expect(await salvage(ctx, task)).toMatchObject({ verdict: 'verified', facts: { salvage: { leftOut } } })
  })

  it('is left to the next run of the step when this one is ended', async () => {
    const { ctx, task, agent } = await checkedRun()
    agent.faults.refuse.push({ match: /salvage/, status: 503 })
    const ended = AbortSignal.abort(new Error('the daemon stops'))
    await expect(salvage({ ...ctx, signal: ended }, task)).rejects.toThrow()
  })
})

describe('the verdict of a run that ended well', () => {
  const cases: [string, Partial<TaskResult>, string | null, number | null, object][] = [
    ['commits without a check are unverified', { ahead: 2 }, null, null, { kind: 'advance', verdict: 'unverified' }],
    [
      'salvaged work without a check is unverified',
      { ahead: 1, salvaged: true },
      null,
      null,
      { verdict: 'unverified' },
    ],
    ['no commit and nothing salvaged is no change', { ahead: 0 }, null, null, { verdict: 'no_change' }],
    ['a check that passes makes it verified', { ahead: 1 }, 'true', 0, { verdict: 'verified' }],
    ['a check that fails makes it failed', { ahead: 1 }, 'false', 1, { kind: 'fail', verdict: 'check_failed' }],
    [
      'a check that does not end makes it failed',
      { ahead: 1 },
      'sleep',
      null,
      { kind: 'fail', verdict: 'check_failed' },
    ],
    ['no change stays no change when the check passes', { ahead: 0 }, 'true', 0, { verdict: 'no_change' }],
    [
      'no change with a failing check is not success',
      { ahead: 0 },
      'false',
      1,
      { kind: 'fail', verdict: 'check_failed' },
    ],
  ]
  it.each(cases)('%s', (_, change, check, exitCode, outcome) => {
    const task = aPlacedTask({ step: 'salvage', status: 'in_progress', result: result(change), spec: aSpec({ check }) })
    expect(judge(task, exitCode)).toMatchObject(outcome)
  })
})

describe('cleanup', () => {
  const task = aPlacedTask({ step: 'cleanup', status: 'completed', verdict: 'unverified' })
  const item = (change: Partial<CleanupItem> = {}): CleanupItem => ({
    ...{ id: 't1', attempt: 1, kind: 'delete_workspace', nodeName: 'n1', subject: 't1-1-1' },
    ...{ state: 'pending', tries: 1, dueAt: 0, error: 'no answer' },
    ...change,
  })

  it('is done when nothing is left', async () => {
    expect(await cleanup(bench().ctx, task)).toEqual({ kind: 'finish', cleanup: 'done' })
  })
  it('waits for the next try of what is left, and says what that is', async () => {
    const { ctx } = bench()
    const left = [item({ dueAt: ctx.now + 4_000 })]
    const outcome = await cleanup({ ...ctx, undo: async () => left }, task)
    expect(outcome).toMatchObject({ kind: 'wait', ms: 4_000, why: 'delete workspace on n1: no answer' })
  })
  it.each([
    ['too many tries', item({ tries: 5 })],
    ['work that is not saved', item({ kind: 'salvage', tries: 0 })],
  ])('hands over to the sweep, visibly, after %s', async (_, left) => {
    const outcome = await cleanup({ ...bench().ctx, undo: async () => [left] }, task)
    expect(outcome).toEqual({ kind: 'finish', cleanup: 'failed' })
  })
})
