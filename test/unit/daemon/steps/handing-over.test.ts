/** What a step does for a task that has other agents behind its own: what they are given, and what is installed for them. */
import { describe, expect, it } from 'vitest'
import { agentSession } from '../../../../daemon/steps/agent-session.ts'
import { nodeSelection } from '../../../../daemon/steps/node.ts'
import { workspaceCreation } from '../../../../daemon/steps/workspace.ts'
import type { AgentSpec } from '../../../../src/core/agent.ts'
import { doneBy } from '../../../../src/core/task.ts'
import { aConfig, aPlacedTask, aSpec, aTask } from '../../../support/builders.ts'
import { bench } from '../../../support/daemon/step-context.ts'

const agent = (name: string, change: Partial<AgentSpec> = {}): AgentSpec => ({
  ...aSpec().agent,
  ...{ name, type: 'claude', ...change },
})
const codex = agent('codex', { type: 'codex' })
const specWith = (own: Partial<AgentSpec> = {}, other: Partial<AgentSpec> = {}) =>
  aSpec({
    agent: agent('claude', own),
    fallback: { agents: [{ ...codex, ...other }], afterMs: 600_000, passedOver: [] },
  })
const env = { TOKEN: 'NO_KEY' }

describe('a task of which no agent has its secret', () => {
  it('ends with the reason, and a parked one goes back to the queue to end so', async () => {
    const { ctx } = bench()
    const task = aPlacedTask({ step: 'agent_session', spec: specWith({ env }, { env }) })
    expect(await agentSession(ctx, task)).toMatchObject({
      kind: 'fail',
      verdict: 'agent_error',
      error: { message: expect.stringContaining('claude (its secret is not set), codex (its secret is not set)') },
    })
    const parked = aTask({ status: 'parked', parkedUntil: ctx.now, spec: task.spec })
    expect(await nodeSelection(ctx, parked)).toEqual({ kind: 'queue' })
    expect(await nodeSelection(ctx, { ...parked, parkedUntil: ctx.now + 1_000 })).toMatchObject({ kind: 'wait' })
  })
})

describe('an agent that takes over', () => {
  const stops = [{ agent: 'claude', why: 'usage_limit' as const, until: 1, session: 't1-1-1-s1' }]
  const task = aPlacedTask({
    step: 'agent_session',
    spec: doneBy(specWith(), 'codex'),
    facts: { stops, acts: 1, agent: 'codex' },
  })
  const given = async (change: Parameters<typeof bench>[0]) => {
    const { ctx, agent, workspace } = bench(change)
    workspace(task)
    expect(await agentSession(ctx, task)).toMatchObject({ to: 'running' })
    const { trailer, transcript } = agent.asked[0] ?? {}
    return [trailer, transcript]
  }

  it('is given what was said before it, and the words behind its commits name both', async () => {
    const both = await given({ transcript: async () => 'claude wrote a file' })
    expect(both).toEqual([expect.stringContaining('claude, codex'), 'claude wrote a file'])
  })

  it('is given neither where there is nothing and no such words are wanted', async () => {
    const config = aConfig()
    expect(await given({ config: { ...config, results: { ...config.results, trailer: '' } } })).toEqual([
      ...[undefined, undefined],
    ])
  })
})

describe('what is installed on a node', () => {
  const installed = async (own: Partial<AgentSpec>, other: Partial<AgentSpec>) => {
    const { ctx, agent } = bench()
    const spec = specWith(own, other)
    const task = aPlacedTask({ step: 'workspace_creation', spec })
    await workspaceCreation(ctx, task)
    return agent.workspaces.get('t1-1-1')?.body.install?.command
  }

  it('is what the agent needs, and then what those need that may go on, whose failure ends nothing', async () => {
    expect(await installed({}, {})).toBeUndefined()
    expect(await installed({ install: 'one' }, {})).toBe('one')
    expect(await installed({ install: 'one' }, { install: 'two' })).toBe('(\none\n) || exit\n(\ntwo\n) || true')
    expect(await installed({}, { install: 'two' })).toBe('(\ntwo\n) || true')
  })
})
