/** What a step answers when something that it needs is missing, was taken back or came to nothing meanwhile. */
import { describe, expect, it } from 'vitest'
import { agentSession } from '../../../../daemon/steps/agent-session.ts'
import { cleanup } from '../../../../daemon/steps/cleanup.ts'
import { awaitingFollowup } from '../../../../daemon/steps/followup.ts'
import { nodeAgentReady, nodeSelection } from '../../../../daemon/steps/node.ts'
import { running } from '../../../../daemon/steps/running.ts'
import { ranAfter, salvage } from '../../../../daemon/steps/salvage.ts'
import { trailerOf } from '../../../../daemon/steps/session.ts'
import { judge } from '../../../../daemon/steps/verdict.ts'
import { workspaceCreation, workspaceFromSignals, workspaceReady } from '../../../../daemon/steps/workspace.ts'
import type { AgentClient } from '../../../../src/clients/agent.ts'
import { type ErrorCode, TdfError } from '../../../../src/core/errors.ts'
import type { Task } from '../../../../src/core/task.ts'
import type { AgentSession, Sandbox } from '../../../../src/protocol/agent-api.ts'
import type { CleanupItem } from '../../../../src/store/tables/cleanups.ts'
import { aConfig, aPlacedTask, aSpec, aTask } from '../../../support/builders.ts'
import { aNode, aSignal, bench } from '../../../support/daemon/step-context.ts'

const MIN = 60_000
const LOST = { kind: 'fail', verdict: 'infrastructure', error: { code: 'NODE_LOST' } }
const { now } = bench().ctx
const CHECK = { kind: 'check', command: 'make test' } as const

/** A client of which only these calls are made. */
const agentWith = (calls: Partial<AgentClient>) => ({ agent: async () => calls as AgentClient })
const refused = (code: ErrorCode) => async () => {
  throw new TdfError(code, 'no')
}
const session = (change: Partial<AgentSession> = {}): AgentSession => ({
  ...{ sessionId: 't1-1-1-s1', status: 'running', exitCode: null, signal: null, errorMessage: null },
  ...{ startedAt: null, lastOutputAt: null, cpuMs: null, resumeRef: null, usage: null, outcome: null },
  ...{
    agentVersion: null,
    model: null,
    retrying: null,
    failure: null,
    summary: null,
    resetAt: null,
    steerable: true,
    undelivered: [],
    pendingPermission: null,
  },
  ...change,
})

const item = (kind: CleanupItem['kind'], subject: string, dueAt: number): CleanupItem => ({
  ...{ id: 't1', attempt: 1, kind, nodeName: 'n1', subject, state: 'pending' },
  ...{ dueAt, tries: 1, error: null },
})

describe('a task that is placed nowhere', () => {
  it.each([
    ['agent_session', agentSession, { workspaceId: null }],
    ['running', running, { sessionId: null }],
    [
      'awaiting_followup',
      awaitingFollowup,
      { sessionId: null, facts: { question: { requestId: 'q', tool: 'rm', detail: '' } } },
    ],
  ] as const)('has lost its node at %s', async (step, handler, change) => {
    expect(await handler(bench().ctx, aPlacedTask({ step, ...change } as Partial<Task>))).toMatchObject(LOST)
  })

  it('has nothing to save, and its check did not run', async () => {
    const nowhere = aTask({ step: 'salvage', status: 'in_progress' })
    expect(await salvage(bench().ctx, nowhere)).toMatchObject({ kind: 'fail', error: { code: 'WORKSPACE_GONE' } })
    expect(await ranAfter(bench().ctx, nowhere, CHECK)).toMatchObject({ ended: true, exitCode: null })
  })

  it('is dispatched again when its workspace has no name', async () => {
    const task = aPlacedTask({ step: 'workspace_ready', workspaceId: null, stepEnteredAt: now - MIN })
    expect(await workspaceReady(bench().ctx, task)).toMatchObject({ kind: 'advance', to: 'workspace_creation' })
  })

  it('goes back to the queue when no node is reserved for it any more', async () => {
    expect(await nodeAgentReady(bench().ctx, aTask())).toMatchObject({ kind: 'advance', to: 'node_selection' })
    expect(await workspaceCreation(bench().ctx, aTask())).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })

  it('waits for the agent of its node by name while the node says nothing', async () => {
    const { ctx } = bench({ reservedNode: 'n1', nodeState: aNode({ status: 'booting', waitingFor: null }) })
    expect(await nodeAgentReady(ctx, aTask())).toMatchObject({ kind: 'wait', why: 'the agent of n1' })
  })
})

describe('a parked task without a machine', () => {
  const parked = aTask({ status: 'parked', parkedUntil: null })

  it('goes back to the queue once nothing keeps it', async () => {
    expect(await nodeSelection(bench().ctx, parked)).toEqual({ kind: 'queue' })
  })
  it('rests until the limit of its credential is lifted', async () => {
    const { ctx } = bench({ limitOf: () => now + MIN })
    expect(await nodeSelection(ctx, parked)).toMatchObject({ kind: 'wait', ms: MIN, parkedUntil: now + MIN })
  })
})

describe('agent_session', () => {
  const task = aPlacedTask({ step: 'agent_session' })
  const begun: unknown[] = []
  const startSession: AgentClient['startSession'] = async (_id, body) => {
    begun.push(body)
    return { status: 'running' }
  }

  it('goes on at once where a parked task has no time to rest until', async () => {
    const { ctx } = bench(agentWith({ startSession }))
    expect(await agentSession(ctx, { ...task, status: 'parked', parkedUntil: null })).toMatchObject({ to: 'running' })
  })
  it('hands the trace of the task to its agent', async () => {
    const { ctx } = bench(agentWith({ startSession }))
    await agentSession(ctx, { ...task, spec: aSpec({ traceparent: 'a trace' }) })
    expect(begun.at(-1)).toMatchObject({ agent: { env: { TRACEPARENT: 'a trace' } } })
  })
  it('hands the sandbox of the node on once its agent has one', async () => {
    const sandbox = { kind: 'bubblewrap' } as Sandbox
    const { ctx } = bench({ ...agentWith({ startSession, sandboxProblem: async () => null }), sandbox: () => sandbox })
    await agentSession(ctx, task)
    expect(begun.at(-1)).toMatchObject({ sandbox: { kind: 'bubblewrap' } })
  })
})

describe('running', () => {
  const task = aPlacedTask({ step: 'running', status: 'in_progress', stepEnteredAt: now - MIN })

  it('keeps a follow-up for the next session when this one takes no more', async () => {
    const { ctx } = bench({
      ...agentWith({ session: async () => session(), prompt: refused('AGENT_REFUSED') }),
      signals: [aSignal('followup', { text: 'and a test', deliveryId: 'd1' })],
    })
    expect(await running(ctx, task)).toMatchObject({ kind: 'wait', facts: { prompted: [] } })
  })
  it('is tried again when a follow-up cannot be handed over', async () => {
    const { ctx } = bench({
      ...agentWith({ session: async () => session(), prompt: refused('NODE_UNREACHABLE') }),
      signals: [aSignal('followup', { text: 'and a test', deliveryId: 'd1' })],
    })
    await expect(running(ctx, task)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })
})

describe('a question of the agent', () => {
  const question = { requestId: 'q1', tool: 'rm', detail: '' }
  const task = aPlacedTask({ step: 'awaiting_followup', status: 'in_progress', facts: { question } })
  const answer = [aSignal('followup', { text: 'yes', deliveryId: 'd1' })]

  it.each(['AGENT_REFUSED', 'WORKSPACE_GONE'] as const)('that is over is answered by the next look: %s', async code => {
    const { ctx } = bench({ ...agentWith({ answerPermission: refused(code) }), signals: answer })
    expect(await awaitingFollowup(ctx, task)).toMatchObject({ kind: 'advance', to: 'running', uses: [answer[0]?.id] })
  })
  it('is answered by what was said to it, before what was said to the task', async () => {
    const told: unknown[] = []
    const answerPermission = async (_: string, __: string, said: unknown) => void told.push(said)
    const signals = [
      aSignal('followup', { text: 'wait', deliveryId: 'd1' }),
      aSignal('followup', { text: 'allow', deliveryId: 'd2', requestId: 'q1' }),
    ]
    const { ctx } = bench({ ...agentWith({ answerPermission }), signals })
    expect(await awaitingFollowup(ctx, task)).toMatchObject({ kind: 'advance', uses: [signals[1]?.id] })
    expect(told).toEqual([{ requestId: 'q1', decision: 'allow' }])
  })
  it('that is over leaves its answer to nobody: neither to another question, nor as a prompt, nor as a reason for a session', async () => {
    const signals = [aSignal('followup', { text: 'allow', deliveryId: 'd1', requestId: 'q0' })]
    const pendingPermission = { requestId: 'q1', tool: 'rm', detail: '', at: '2026-01-01T00:00:00.000Z' }
    const asks = bench({ ...agentWith({ session: async () => session({ pendingPermission }) }), signals })
    expect(await awaitingFollowup(asks.ctx, task)).toMatchObject({ kind: 'wait' })
    const rests = { ...task, facts: {}, spec: aSpec({ interactive: true }) }
    expect(await awaitingFollowup(bench({ signals }).ctx, rests)).toMatchObject({ kind: 'wait' })
    const ended = session({ status: 'exited', exitCode: 0, outcome: 'success' })
    const over = bench({ ...agentWith({ session: async () => ended }), signals })
    const runs = aPlacedTask({ status: 'in_progress', step: 'running' })
    expect(await running(over.ctx, { ...runs, deadlineAt: now })).toMatchObject({ kind: 'advance', to: 'salvage' })
  })
  it('keeps its answer while the agent cannot be reached', async () => {
    const { ctx } = bench({ ...agentWith({ answerPermission: refused('NODE_UNREACHABLE') }), signals: answer })
    await expect(awaitingFollowup(ctx, task)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })
  it.each([
    ['is closed', [aSignal('close')], null],
    ['is not answered in time', [], now - 1],
  ])('that %s ends the attempt as a permission denied', async (_, signals, deadlineAt) => {
    const outcome = await awaitingFollowup(bench({ signals }).ctx, { ...task, deadlineAt })
    expect(outcome).toMatchObject({ kind: 'fail', verdict: 'permission_denied' })
  })
  it('that the agent does not ask any more is dropped', async () => {
    const { ctx } = bench(agentWith({ session: async () => session() }))
    expect(await awaitingFollowup(ctx, task)).toMatchObject({ to: 'running', facts: { question: null } })
  })
})

describe('salvage', () => {
  const task = aPlacedTask({ step: 'salvage', status: 'in_progress', stepEnteredAt: now })
  const saved = { commit: '2'.repeat(40), baseCommit: '1'.repeat(40), ahead: 1, salvaged: true, saved: [], leftOut: [] }
  const failing = agentWith({ workspace: refused('AGENT_BUSY') })

  it('costs nothing when it is interrupted', async () => {
    const { ctx } = bench({ ...failing, signal: AbortSignal.abort(new Error('the daemon stops')) })
    await expect(salvage(ctx, task)).rejects.toMatchObject({ code: 'AGENT_BUSY' })
  })
  it('takes what was saved during the run while the work itself cannot be had', async () => {
    const { ctx, results } = bench(failing)
    results.checkpoints.set('refs/tdf/t1/1', saved)
    expect(await salvage(ctx, task)).toMatchObject({ kind: 'wait', facts: { salvage: saved }, result: { ahead: 1 } })
    const known = await salvage(ctx, { ...task, result: await results.describe(task, saved) })
    expect(known).not.toHaveProperty('result')
  })
  it('goes on asking for the work when what was saved during the run is damaged', async () => {
    const { ctx, results } = bench(failing)
    results.takeCheckpoint = refused('RESULT_BROKEN')
    expect(await salvage(ctx, task)).toMatchObject({ kind: 'wait', why: expect.stringContaining('another try') })
  })
  it('says that the node does not answer while a held work waits without another reason', async () => {
    const left = [item('salvage', task.workspaceId ?? '', now + MIN)]
    const { ctx } = bench({ undo: async () => left })
    const outcome = await salvage(ctx, { ...task, facts: { held: true } })
    expect(outcome).toMatchObject({ kind: 'wait', ms: MIN, why: expect.stringContaining('its node does not answer') })
  })
  it('judges nothing when the work is saved and the machine for its check is gone', async () => {
    const { ctx } = bench({ nodeState: null })
    const checked = { ...task, spec: aSpec({ check: 'make test' }), facts: { saved: true } }
    expect(await salvage(ctx, checked)).toMatchObject({ kind: 'fail', error: { code: 'WORKSPACE_GONE' } })
  })
  it('takes a check whose session is gone for one that did not end by itself', async () => {
    const { ctx } = bench(agentWith({ session: async () => null }))
    const asked = { ...task, facts: { check: { sessionId: 'c', exitCode: null, ended: false } } }
    expect(await ranAfter(ctx, asked, CHECK)).toMatchObject({ ended: true, exitCode: null })
  })
  it('judges a check without a result by its exit code alone', () => {
    const checked = { ...task, spec: aSpec({ check: 'make test' }) }
    expect(judge(checked, 0)).toMatchObject({ verdict: 'no_change' })
    expect(judge(checked, 1)).toMatchObject({ verdict: 'check_failed' })
  })
})

describe('cleanup', () => {
  it('comes back when the first of its workspaces is due', async () => {
    for (const dues of [
      [1, 2],
      [2, 1],
    ]) {
      const left = dues.map((minutes, index) => item('delete_workspace', `w${index}`, now + minutes * MIN))
      const outcome = await cleanup(bench({ undo: async () => left }).ctx, aPlacedTask({ step: 'cleanup' }))
      expect(outcome).toMatchObject({ kind: 'wait', ms: MIN })
    }
  })
})

describe('a workspace', () => {
  it('is made with the install command of the agent, and without a trailer where there is none', async () => {
    const made: unknown[] = []
    const createWorkspace: AgentClient['createWorkspace'] = async body => {
      made.push(body)
      return { status: 'creating' }
    }
    const spec = aSpec()
    const task = aPlacedTask({
      step: 'workspace_creation',
      spec: { ...spec, agent: { ...spec.agent, install: 'npm i' } },
    })
    const config = aConfig({ results: { trailer: '' } })
    await workspaceCreation(bench({ ...agentWith({ createWorkspace }), config }).ctx, task)
    expect(made).toEqual([expect.objectContaining({ install: { command: 'npm i', timeoutMs: 15 * MIN } })])
    expect(made[0]).not.toHaveProperty('trailer')
  })
  it('that could not be built says so in our words when the agent says nothing', () => {
    const { ctx } = bench({ signals: [aSignal('provisioning_failed', { seq: 1, errorMessage: '' })] })
    const outcome = workspaceFromSignals(ctx, aPlacedTask({ step: 'workspace_ready' }))
    expect(outcome).toMatchObject({ error: { message: 'the agent could not build the workspace' } })
  })
  it.each([
    ['', ['make'], null],
    ['By: {agent}', ['/usr/bin/make'], 'By: make'],
    ['By: {agent} of {task}', [], 'By: command of t1'],
  ])('has the trailer "%s" with its words filled in', (text, command, trailer) => {
    const agent = { ...aSpec().agent, name: 'command', command }
    expect(trailerOf(text, { id: 't1', spec: aSpec({ agent }), facts: {} })).toBe(trailer)
  })
})
