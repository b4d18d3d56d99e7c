import { describe, expect, it } from 'vitest'
import { agentSession } from '../../../../daemon/steps/agent-session.ts'
import { awaitingFollowup } from '../../../../daemon/steps/followup.ts'
import { running } from '../../../../daemon/steps/running.ts'
import type { AgentEnvironment } from '../../../../src/core/agent.ts'
import { aPlacedTask, aSpec } from '../../../support/builders.ts'
import { aNode, aSignal, bench, scripted } from '../../../support/daemon/step-context.ts'

const MIN = 60_000

describe('agent_session', () => {
  const task = aPlacedTask({ step: 'agent_session' })
  const given = (env: AgentEnvironment) => ({ ...task, spec: aSpec({ agent: { ...task.spec.agent, env } }) })

  it('starts the agent, and only the agent’s word makes it running', async () => {
    const { ctx, agent, workspace } = bench()
    workspace(task)
    expect(await agentSession(ctx, given(['KEY']))).toMatchObject({
      kind: 'advance',
      to: 'running',
      sessionId: 't1-1-1-s1',
      facts: { session: { status: 'running' } },
    })
    expect(agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s1')?.body).toMatchObject({
      prompt: 'say hi',
      agent: { env: { KEY: 'value' } },
      timeoutMs: 24 * 60 * MIN,
    })
  })
  it('gives the agent a secret under the name of another variable, and starts none without it', async () => {
    const { ctx, agent, workspace } = bench()
    workspace(task)
    const refused = await agentSession(ctx, given({ TOKEN: 'NO_KEY' }))
    const error = { code: 'CANNOT_START', hint: 'tdf secret set NO_KEY' }
    expect(refused).toMatchObject({ kind: 'fail', verdict: 'agent_error', error })
    expect(agent.starts.size).toBe(0)
    await agentSession(ctx, given({ TOKEN: 'KEY' }))
    expect(agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s1')?.body.agent.env).toEqual({ TOKEN: 'value' })
  })
  it('lets the agent hand tasks over where its task may, and no other', async () => {
    const { ctx, agent, workspace } = bench()
    workspace(task)
    await agentSession(ctx, { ...task, spec: aSpec({ maySpawn: { count: 2, depth: 1 } }) })
    expect(agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s1')?.body.maySpawn).toBe(true)
    const other = bench()
    other.workspace(task)
    await agentSession(other.ctx, task)
    expect(other.agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s1')?.body).not.toHaveProperty('maySpawn')
  })
  it('starts nothing twice when it is run again', async () => {
    const { ctx, agent, workspace } = bench()
    workspace(task)
    await agentSession(ctx, task)
    expect(await agentSession(ctx, task)).toMatchObject({ kind: 'advance', to: 'running' })
    expect(agent.starts.get('t1-1-1-s1')).toBe(1)
  })
  const other = { name: 'other', type: 'codex', command: ['codex'], env: [] } as const
  const OFFERS = { agents: [{ ...other, command: ['codex'], env: [] }], afterMs: 10 * MIN, passedOver: [] }
  it.each([
    ['a usage limit', aSpec(), { limitOf: () => Number.MAX_SAFE_INTEGER }, 'park'],
    [
      'an agent that is free',
      aSpec({ fallback: OFFERS }),
      { limitOf: (one: { name: string }) => (one.name === 'other' ? null : Number.MAX_SAFE_INTEGER) },
      'hand_over',
    ],
    ['a budget', aSpec(), { budgetHold: () => ({ until: Number.MAX_SAFE_INTEGER, why: 'money' }) }, 'park'],
  ] as const)(
    'keeps what runs already, by a start that was cut off, where %s would come before it',
    async (_, spec, held, kind) => {
      const { ctx, agent, workspace } = bench()
      const begun = { ...task, spec }
      workspace(begun)
      expect(await agentSession({ ...ctx, ...held }, begun)).toMatchObject({ kind })
      await agentSession(ctx, begun)
      expect(await agentSession({ ...ctx, ...held }, begun)).toMatchObject({ kind: 'advance', to: 'running' })
      expect([...agent.starts.values()]).toEqual([1])
    },
  )
  it('ends the attempt with the reason when the program cannot be started', async () => {
    const { ctx, workspace } = bench()
    workspace(task)
    const outcome = await agentSession(ctx, scripted(task, { cannotStart: 'spawn nosuch ENOENT' }))
    expect(outcome).toMatchObject({
      kind: 'fail',
      verdict: 'agent_error',
      error: { code: 'CANNOT_START', message: 'node n1: spawn nosuch ENOENT' },
    })
  })
  it.each([
    ['claude', 'give [agents.claude] a command with a full path, or an install command'],
    ['command', 'name it with its full path'],
  ])('names the ways to a program of %s that is not there', async (name, ways) => {
    const { ctx, workspace } = bench()
    workspace(task)
    const missing = scripted(task, { cannotStart: 'cannot start nosuch: it is not there' })
    const named = { ...missing, spec: { ...missing.spec, agent: { ...missing.spec.agent, name } } }
    const outcome = await agentSession(ctx, named)
    const message = `node n1: cannot start nosuch: it is not there; ${ways}`
    expect(outcome).toMatchObject({ error: { code: 'CANNOT_START', message, hint: 'tdf config example' } })
  })
  it('throws what the engine tries again while the workspace is not ready', async () => {
    const { ctx, workspace } = bench()
    workspace(task, 'creating')
    await expect(agentSession(ctx, task)).rejects.toMatchObject({ code: 'AGENT_BUSY', class: 'transient' })
  })
  it('throws what ends the attempt when the workspace is gone', async () => {
    await expect(agentSession(bench().ctx, task)).rejects.toMatchObject({ code: 'WORKSPACE_GONE', class: 'permanent' })
  })
  it('ends the attempt when its node was lost', async () => {
    const { ctx } = bench({ nodeState: null })
    expect(await agentSession(ctx, task)).toMatchObject({ kind: 'fail', error: { code: 'NODE_LOST' } })
  })
})

describe('running', () => {
  const exit = (change = {}) =>
    aSignal('session_exited', {
      ...{ seq: 3, attempt: 1, sessionId: 't1-1-1-s1', status: 'completed', exitCode: 0, signal: null },
      ...change,
    })
  const task = (now: number, change = {}) =>
    aPlacedTask({ step: 'running', status: 'in_progress', stepEnteredAt: now, deadlineAt: now + 240 * MIN, ...change })

  it('brings the work home when the agent ended well', async () => {
    const signal = exit()
    const { ctx, agent } = bench({ signals: [signal] })
    expect(await running(ctx, task(ctx.now))).toMatchObject({
      kind: 'advance',
      to: 'salvage',
      facts: { exit: { exitCode: 0 } },
    })
    expect(agent.requests).toEqual([])
  })
  it('keeps the session of an interactive task that ended well', async () => {
    const { ctx } = bench({ signals: [exit()] })
    const outcome = await running(ctx, task(ctx.now, { spec: aSpec({ interactive: true }) }))
    expect(outcome).toMatchObject({ kind: 'advance', to: 'awaiting_followup' })
  })
  it.each([
    ['an exit code other than 0', { exitCode: 3, status: 'failed' }, 'agent_error', /exit code 3/],
    ['a signal', { exitCode: null, signal: 'SIGKILL', status: 'failed' }, 'agent_error', /SIGKILL/],
    [
      'its time limit',
      { exitCode: null, signal: 'SIGTERM', status: 'failed', errorMessage: 'timeout' },
      'timeout',
      /time limit/,
    ],
  ])('ends the attempt by %s', async (_, change, verdict, message) => {
    const { ctx } = bench({ signals: [exit(change)] })
    const outcome = await running(ctx, task(ctx.now))
    expect(outcome).toMatchObject({ kind: 'fail', verdict })
    expect(outcome).toHaveProperty('error.message', expect.stringMatching(message))
  })
  it('pays no heed to the exit of another session', async () => {
    const { ctx } = bench({ signals: [exit({ sessionId: 't1-1-1-s0' })] })
    expect(await running(ctx, task(ctx.now))).toMatchObject({ kind: 'wait' })
  })
  it('asks nobody before the next look is due', async () => {
    const { ctx, agent } = bench()
    expect(await running(ctx, task(ctx.now - 10_000))).toMatchObject({ kind: 'wait', ms: 20_000 })
    expect(agent.requests).toEqual([])
  })

  it('says of an agent that cannot reach its model that this is what it waits for, also between two looks', async () => {
    const retrying = { attempt: 4, reason: '529 overloaded', since: '2026-01-01T00:00:00Z' }
    const says = { retrying, agentVersion: '2.1.0', model: 'm1' }
    const outcome = await looked({ ms: 3_600_000, says })
    const why = 'the agent, which cannot reach its model (try 4, since 2026-01-01T00:00:00Z): 529 overloaded'
    expect(outcome).toMatchObject({ kind: 'wait', why, facts: { session: { agentVersion: '2.1.0', model: 'm1' } } })
    const { ctx } = bench()
    const session = { status: 'running' as const, exitCode: null, signal: null, resumeRef: null, retrying }
    expect(await running(ctx, task(ctx.now, { facts: { session } }))).toMatchObject({ kind: 'wait', why })
  })

  const looked = async (script: object, change = {}, passMs = 0) => {
    const made = bench()
    const placed = scripted(task(made.ctx.now - MIN, change), script)
    made.workspace(placed)
    await agentSession(made.ctx, placed)
    await made.world.clock.advance(passMs)
    return running({ ...made.ctx, now: made.world.clock.now() }, placed)
  }

  it('finds by itself that the agent ended when no callback came', async () => {
    expect(await looked({ ms: 1_000 }, {}, 2_000)).toMatchObject({ kind: 'advance', to: 'salvage' })
  })
  it('goes on while the agent works, and remembers what it saw', async () => {
    expect(await looked({ hangs: true })).toMatchObject({ kind: 'wait', ms: 30_000, facts: { progress: { cpuMs: 1 } } })
  })
  it('ends a run that writes nothing and uses no processor for idle_timeout', async () => {
    const { ctx } = bench()
    const before = ctx.now - 30 * MIN
    const progress = {
      lookedAt: before,
      output: new Date(ctx.now + 1).toISOString(),
      cpuMs: 1,
      changedAt: before,
      outputAt: before,
    }
    const made = bench({ epochAt: before })
    const placed = scripted(task(made.ctx.now - 60 * MIN, { facts: { progress } }), { hangs: true })
    made.workspace(placed)
    await agentSession(made.ctx, placed)
    expect(await running(made.ctx, placed)).toMatchObject({
      kind: 'fail',
      verdict: 'timeout',
      error: { code: 'IDLE_TIMEOUT' },
    })
    // A daemon that has just begun to look cannot know how long it was idle.
    const fresh = { ...made.ctx, epochAt: made.ctx.now }
    expect(await running(fresh, placed)).toMatchObject({ kind: 'wait' })
  })
  it('extends a run at its soft limit while it still writes', async () => {
    const { ctx } = bench()
    expect(await looked({ hangs: true, busy: true }, { deadlineAt: ctx.now })).toMatchObject({
      kind: 'wait',
      deadlineMs: 20 * MIN,
    })
  })
  it('lets a run at its soft limit end when it only computes', async () => {
    const made = bench()
    const silent = made.ctx.now - 21 * MIN
    const progress = {
      lookedAt: silent,
      output: new Date(made.ctx.now + 1).toISOString(),
      cpuMs: 0,
      changedAt: silent,
      outputAt: silent,
    }
    const placed = scripted(task(made.ctx.now - 240 * MIN, { deadlineAt: made.ctx.now, facts: { progress } }), {
      hangs: true,
    })
    made.workspace(placed)
    await agentSession(made.ctx, placed)
    const outcome = await running(made.ctx, placed)
    expect(outcome).toMatchObject({ kind: 'wait', looked: true })
    expect(outcome).not.toHaveProperty('deadlineMs')
  })
  it('ends the attempt when the agent does not know the session', async () => {
    const { ctx } = bench()
    const outcome = await running(ctx, task(ctx.now - MIN))
    expect(outcome).toMatchObject({ kind: 'fail', verdict: 'infrastructure', error: { code: 'WORKSPACE_GONE' } })
  })
  it('ends the attempt when its node was lost', async () => {
    const { ctx } = bench({ nodeState: aNode({ status: 'lost', facts: { error: 'connection refused' } }) })
    const outcome = await running(ctx, task(ctx.now))
    expect(outcome).toMatchObject({ kind: 'fail', verdict: 'infrastructure', error: { code: 'NODE_LOST' } })
    expect(outcome).toHaveProperty('error.message', expect.stringContaining('connection refused'))
  })
  it('throws what the engine waits out when nobody answers', async () => {
    const { ctx, agent } = bench()
    agent.faults.down = true
    await expect(running(ctx, task(ctx.now - MIN))).rejects.toMatchObject({ class: 'wait' })
  })
})

describe('awaiting_followup', () => {
  const task = (now: number) =>
    aPlacedTask({
      step: 'awaiting_followup',
      status: 'in_progress',
      spec: aSpec({ interactive: true }),
      facts: { session: { status: 'exited', exitCode: 0, signal: null, resumeRef: null } },
      deadlineAt: now + MIN,
    })

  it('waits for its user', async () => {
    const { ctx } = bench()
    expect(await awaitingFollowup(ctx, task(ctx.now))).toMatchObject({ kind: 'wait', why: 'your follow-up' })
  })
  it('starts the next session with the follow-up, and leaves a second one for later', async () => {
    const first = aSignal('followup', { text: 'and now the docs' })
    const { ctx, agent, workspace } = bench({ signals: [first, aSignal('followup', { text: 'and the tests' })] })
    workspace(task(ctx.now))
    expect(await awaitingFollowup(ctx, task(ctx.now))).toMatchObject({
      ...{ kind: 'advance', to: 'running', sessionId: 't1-1-1-s2', facts: { followups: 1 }, uses: [first.id] },
    })
    expect(agent.workspaces.get('t1-1-1')?.sessions.get('t1-1-1-s2')?.body.prompt).toBe('and now the docs')
  })
  it('brings the work home when it is closed', async () => {
    const close = aSignal('close')
    const { ctx } = bench({ signals: [close] })
    expect(await awaitingFollowup(ctx, task(ctx.now))).toMatchObject({
      kind: 'advance',
      to: 'salvage',
      uses: [close.id],
    })
  })
  it('brings the work home when nobody answers in time', async () => {
    const { ctx } = bench()
    expect(await awaitingFollowup(ctx, { ...task(ctx.now), deadlineAt: ctx.now })).toMatchObject({
      kind: 'advance',
      to: 'salvage',
    })
  })
  it('ends the attempt when its node was lost under a follow-up', async () => {
    const { ctx } = bench({ signals: [aSignal('followup', { text: 'x' })], nodeState: aNode({ status: 'lost' }) })
    expect(await awaitingFollowup(ctx, task(ctx.now))).toMatchObject({ kind: 'fail', error: { code: 'NODE_LOST' } })
  })
})
