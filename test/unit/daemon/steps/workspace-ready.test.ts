import { describe, expect, it } from 'vitest'
import { workspaceReady } from '../../../../daemon/steps/workspace.ts'
import { aPlacedTask } from '../../../support/builders.ts'
import { aNode, aSignal, bench } from '../../../support/daemon/step-context.ts'

const MIN = 60_000

describe('workspace_ready', () => {
  const at = (now: number, change = {}) =>
    aPlacedTask({ step: 'workspace_ready', stepEnteredAt: now, deadlineAt: now + 30 * MIN, ...change })

  it('takes the ready callback, without asking the agent', async () => {
    const signal = aSignal('workspace_ready', { seq: 1, status: 'running' })
    const { ctx, agent } = bench({ signals: [signal] })
    const outcome = await workspaceReady(ctx, at(ctx.now))
    expect(outcome).toMatchObject({ kind: 'advance', to: 'agent_session', uses: [signal.id], workspaceStatus: 'ready' })
    expect(agent.requests).toEqual([])
  })
  it('takes a workspace built with a fallback, and warns', async () => {
    const { ctx } = bench({ signals: [aSignal('workspace_ready', { seq: 1, status: 'recovery' })] })
    const outcome = await workspaceReady(ctx, at(ctx.now))
    expect(outcome).toMatchObject({ kind: 'advance', facts: { warning: expect.stringContaining('fallback') } })
  })
  it('tells what of a workspace is not as it was asked for, by callback and when it is asked', async () => {
    const note = '1 of 2 files in Git LFS are pointers: git-lfs is not installed on the node'
    const told = bench({ signals: [aSignal('workspace_ready', { seq: 1, status: 'recovery', note })] })
    expect(await workspaceReady(told.ctx, at(told.ctx.now))).toMatchObject({
      kind: 'advance',
      facts: { warning: note },
    })
    const { ctx } = bench()
    const task = at(ctx.now - 31_000)
    Object.assign(ctx, { agent: async () => ({ workspace: async () => ({ status: 'ready', note }) }) })
    expect(await workspaceReady(ctx, task)).toMatchObject({ kind: 'advance', facts: { warning: note } })
  })
  it('fails at once with the agent’s own words, and is not tried again', async () => {
    const { ctx } = bench({ signals: [aSignal('provisioning_failed', { seq: 1, errorMessage: 'no space left' })] })
    const outcome = await workspaceReady(ctx, at(ctx.now))
    expect(outcome).toMatchObject({
      kind: 'fail',
      verdict: 'infrastructure',
      error: { code: 'WORKSPACE_FAILED', message: 'no space left' },
    })
  })
  it('says that the server of the repository is not to be had, where the agent met that', async () => {
    const signal = aSignal('provisioning_failed', { seq: 1, errorMessage: 'error: 503', isPassing: true })
    const { ctx } = bench({ signals: [signal] })
    const error = { code: 'SOURCE_UNAVAILABLE', class: 'transient', message: 'error: 503' }
    expect(await workspaceReady(ctx, at(ctx.now))).toMatchObject({ kind: 'fail', verdict: 'infrastructure', error })
  })
  it('takes the first word of two that contradict each other, and uses up both', async () => {
    const ready = aSignal('workspace_ready', { seq: 1, status: 'running' })
    const failed = aSignal('provisioning_failed', { seq: 2, errorMessage: 'no' })
    const { ctx } = bench({ signals: [ready, failed] })
    expect(await workspaceReady(ctx, at(ctx.now))).toMatchObject({ kind: 'advance', uses: [ready.id, failed.id] })
    const other = bench({ signals: [failed, ready] })
    expect(await workspaceReady(other.ctx, at(ctx.now))).toMatchObject({ kind: 'fail' })
  })
  it('waits for the callback until its poll is due, and asks nobody', async () => {
    const { ctx, agent } = bench()
    const outcome = await workspaceReady(ctx, at(ctx.now - 10_000))
    expect(outcome).toMatchObject({ kind: 'wait', ms: 20_000, looked: true })
    expect(agent.requests).toEqual([])
  })
  it.each([
    ['ready', { kind: 'advance', to: 'agent_session' }],
    ['creating', { kind: 'wait', ms: 30_000 }],
    ['failed', { kind: 'fail', verdict: 'infrastructure' }],
    ['stopped', { kind: 'fail', verdict: 'infrastructure' }],
  ] as const)('asks the agent when the poll is due: a workspace that is %s', async (status, outcome) => {
    const { ctx, workspace } = bench()
    const task = at(ctx.now - 31_000)
    workspace(task, status)
    expect(await workspaceReady(ctx, task)).toMatchObject(outcome)
  })
  it('sends the request again when the agent does not know the workspace', async () => {
    const { ctx } = bench()
    expect(await workspaceReady(ctx, at(ctx.now - 31_000))).toMatchObject({ kind: 'advance', to: 'workspace_creation' })
  })
  it('looks once more before its deadline counts, however long the poll is', async () => {
    const { ctx, workspace } = bench()
    ctx.config.runner.workspaceReadyPollInterval = 60 * MIN
    const task = at(ctx.now - 30 * MIN, { deadlineAt: ctx.now })
    workspace(task, 'ready')
    expect(await workspaceReady(ctx, task)).toMatchObject({ kind: 'advance', to: 'agent_session' })
  })
  it('ends the attempt when its node was lost', async () => {
    const { ctx } = bench({ nodeState: aNode({ status: 'lost' }) })
    expect(await workspaceReady(ctx, at(ctx.now))).toMatchObject({ kind: 'fail', error: { code: 'NODE_LOST' } })
  })
  it('ends the attempt when its node came back without the workspace', async () => {
    const { ctx } = bench({ workspaceStatus: 'lost' })
    expect(await workspaceReady(ctx, at(ctx.now))).toMatchObject({ kind: 'fail', error: { code: 'NODE_LOST' } })
  })
})
