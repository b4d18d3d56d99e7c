import { describe, expect, it } from 'vitest'
import { nodeAgentReady, nodeProvisioning, nodeSelection } from '../../../../daemon/steps/node.ts'
import { workspaceCreation } from '../../../../daemon/steps/workspace.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import type { NodeStatus } from '../../../../src/core/node.ts'
import type { SourceFacts } from '../../../../src/core/task.ts'
import { fakeSources } from '../../../fakes/results/results.ts'
import { aPlacedTask, aSpec, aTask } from '../../../support/builders.ts'
import { aNode, bench } from '../../../support/daemon/step-context.ts'

const reserved = (status: NodeStatus, waitingFor: string | null = null) =>
  bench({ reservedNode: 'n1', nodeState: aNode({ status, waitingFor }) }).ctx

describe('node_selection', () => {
  it('waits for a slot while none is reserved', async () => {
    expect(await nodeSelection(bench().ctx, aTask())).toMatchObject({ kind: 'wait', why: 'a slot on a node' })
  })
  it.each(['ready', 'warm'] as const)('goes straight to the workspace when the node is %s', async status => {
    expect(await nodeSelection(reserved(status), aTask())).toEqual({ kind: 'advance', to: 'workspace_creation' })
  })
  it.each(['ordered', 'creating', 'booting'] as const)('waits for a machine that is %s', async status => {
    expect(await nodeSelection(reserved(status), aTask())).toEqual({ kind: 'advance', to: 'node_provisioning' })
  })
})

describe('node_selection of a task that comes after others', () => {
  const awaiting = (awaits: 'predecessors' | 'base', waitingFor: string | null = null) =>
    aTask({ facts: { awaits }, waitingFor })
  const work = [{ id: 't0', ref: 'refs/tdf/t0/1', commit: '1'.repeat(40) }]

  it('looks again in a day, whatever is reserved, and waits for what it waited for', async () => {
    const { ctx } = bench({ reservedNode: 'n1' })
    const held = { kind: 'wait', ms: 86_400_000 }
    expect(await nodeSelection(ctx, awaiting('predecessors', 't0'))).toMatchObject({ ...held, why: 't0' })
    expect(await nodeSelection(ctx, awaiting('predecessors'))).toMatchObject({ ...held, why: '' })
  })
  it('goes on from the commit that was made of their work', async () => {
    const { ctx } = bench({ workBefore: work })
    const commit = '1'.repeat(40)
    const base = { ref: 'refs/tdf/t1/base', commit, baseCommit: commit, salvaged: false, resumeRef: null, isBase: true }
    expect(await nodeSelection(ctx, awaiting('base'))).toEqual({ kind: 'release', base })
  })
  it('is held with the files that git cannot merge', async () => {
    const { ctx, results } = bench({ workBefore: work })
    results.base = async () => ({ kind: 'conflict', of: ['t0', 't2'], files: ['a.txt'] })
    const blocked = { by: ['t0', 't2'], attempt: 1, files: ['a.txt'] }
    expect(await nodeSelection(ctx, awaiting('base'))).toEqual({ kind: 'block', blocked })
  })
})

describe('node_selection of a task whose repository the daemon fetches', () => {
  const task = aTask({ facts: { source: null } })
  const source = { commit: '1'.repeat(40), ref: 'refs/heads/main', sha256: 'b'.repeat(64), bytes: 1 }
  const answering = (fetched: () => SourceFacts | null) => bench({ sources: { ...fakeSources(), fetched } }).ctx
  const failing = (code: 'SOURCE_DENIED' | 'SOURCE_UNAVAILABLE') =>
    answering(() => {
      throw new TdfError(code, 'no')
    })

  it('waits while it is being fetched, whatever is reserved', async () => {
    const why = 'https://example.org/repo.git to be fetched'
    expect(
      await nodeSelection(
        answering(() => null),
        task,
      ),
    ).toMatchObject({ kind: 'wait', why })
  })
  it('waits for a slot once it is here, and knows the commit', async () => {
    const outcome = await nodeSelection(
      answering(() => source),
      task,
    )
    expect(outcome).toMatchObject({ kind: 'wait', why: 'a slot on a node', facts: { source } })
  })
  it('ends when it may not be read', async () => {
    const outcome = await nodeSelection(failing('SOURCE_DENIED'), task)
    expect(outcome).toMatchObject({ kind: 'fail', verdict: 'permission_denied', error: { code: 'SOURCE_DENIED' } })
  })
  it('tries again when its server does not answer', async () => {
    await expect(nodeSelection(failing('SOURCE_UNAVAILABLE'), task)).rejects.toMatchObject({ class: 'transient' })
  })
  it('hands the workspace what was fetched, and where it came from', async () => {
    const { ctx, agent } = bench()
    await workspaceCreation(ctx, aPlacedTask({ step: 'workspace_creation', facts: { source } }))
    expect(agent.requests).toEqual(['POST /workspaces', 'PUT /workspaces/t1-1-1/bundle'])
    const { ref, sha256, bytes } = source
    const origin = 'https://example.org/repo.git'
    expect(agent.workspaces.get('t1-1-1')?.body.source).toEqual({ kind: 'bundle', ref, sha256, bytes, origin })
  })
})

describe('workspace_creation of a folder of which only what was new was uploaded', () => {
  const packed = { commit: '1'.repeat(40), ref: 'refs/heads/main', sha256: 'b'.repeat(64), bytes: 1 }
  const repo = { url: '/folder', ref: 'refs/heads/main', baseCommit: packed.commit, sha256: 'a'.repeat(64), bytes: 0 }
  const spec = aSpec({ repo: { ...repo, kind: 'bundle' } })
  const { ctx, agent } = bench({ sources: { ...fakeSources(), whole: async () => packed } })

  it('packs the whole first, and hands the workspace that', async () => {
    const task = aPlacedTask({ step: 'workspace_creation', spec })
    const outcome = await workspaceCreation(ctx, task)
    expect(outcome).toMatchObject({ kind: 'wait', ms: 0, facts: { source: packed } })
    expect(agent.requests).toEqual([])
    await workspaceCreation(ctx, { ...task, facts: { source: packed } })
    const { commit: _, ...bundle } = packed
    expect(agent.workspaces.get('t1-1-1')?.body.source).toEqual({ kind: 'bundle', ...bundle })
  })
})

describe('node_provisioning', () => {
  const task = aTask({ step: 'node_provisioning', createdAt: bench().ctx.now })
  it.each(['ordered', 'creating'] as const)('waits while the machine is %s, in the node’s own words', async status => {
    expect(await nodeProvisioning(reserved(status, 'the provider'), task)).toMatchObject({ why: 'the provider' })
  })
  it.each([-1, 0])('is late only once the node was looked at since the daemon began (%i ms)', async ms => {
    const { ctx } = bench({ nodeState: aNode({ status: 'creating', updatedAt: bench().ctx.epochAt + ms }) })
    expect(await nodeProvisioning({ ...ctx, reservedNode: 'n1' }, task)).toMatchObject({ looked: ms === 0 })
  })
  it('waits for a machine that is not to be had as long as for a slot, and then says why', async () => {
    const { ctx } = bench({ reservedNode: 'n1', nodeState: aNode({ status: 'creating', waitingFor: 'room at all' }) })
    const { queueTimeout } = ctx.config.runner
    const waiting = await nodeProvisioning(ctx, { ...task, createdAt: ctx.now - queueTimeout + 1_000 })
    expect(waiting).toMatchObject({ kind: 'wait', deadlineMs: 1_000 })
    const late = await nodeProvisioning(ctx, { ...task, createdAt: ctx.now - queueTimeout })
    const held = { facts: { releasedAt: ctx.now - 1_000 }, createdAt: ctx.now - 2 * queueTimeout }
    expect(await nodeProvisioning(ctx, { ...task, ...held })).toMatchObject({ deadlineMs: queueTimeout - 1_000 })
    expect(late).toMatchObject({ kind: 'fail', verdict: 'timeout', error: { code: 'QUEUE_TIMEOUT' } })
  })
  it('gives a machine that was ordered until its own deadline', async () => {
    const { ctx } = bench({
      reservedNode: 'n1',
      nodeState: aNode({ status: 'creating', deadlineAt: 90_000 + bench().ctx.now }),
    })
    expect(await nodeProvisioning(ctx, task)).toMatchObject({ kind: 'wait', deadlineMs: 90_000 })
  })
  it.each(['booting', 'ready', 'warm'] as const)('goes on when the machine is %s', async status => {
    expect(await nodeProvisioning(reserved(status), task)).toMatchObject({ kind: 'advance', to: 'node_agent_ready' })
  })
  it.each(['failed', 'lost', 'held', 'draining', 'destroying', 'destroyed'] as const)(
    'gives its slot back when the machine is %s',
    async status => {
      expect(await nodeProvisioning(reserved(status), task)).toMatchObject({ kind: 'advance', to: 'node_selection' })
    },
  )
  it('gives its slot back when the reservation is gone', async () => {
    expect(await nodeProvisioning(bench().ctx, task)).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })
})

describe('node_agent_ready', () => {
  const task = aTask({ step: 'node_agent_ready' })
  it.each(['ready', 'warm'] as const)('goes on when the node is %s', async status => {
    expect(await nodeAgentReady(reserved(status), task)).toMatchObject({ kind: 'advance', to: 'workspace_creation' })
  })
  it('waits while the agent does not answer yet', async () => {
    const outcome = await nodeAgentReady(reserved('booting', 'the agent of n1'), task)
    expect(outcome).toMatchObject({ kind: 'wait', why: 'the agent of n1' })
  })
  it.each(['failed', 'lost', 'destroyed'] as const)('gives its slot back when the node is %s', async status => {
    expect(await nodeAgentReady(reserved(status), task)).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })
})

describe('workspace_creation', () => {
  it('asks to be placed on its reserved node', async () => {
    const outcome = await workspaceCreation(reserved('ready'), aTask({ step: 'workspace_creation' }))
    expect(outcome).toEqual({ kind: 'place', nodeName: 'n1' })
  })
  it.each(['draining', 'lost', 'held'] as const)('gives its slot back when the node is %s', async status => {
    const outcome = await workspaceCreation(reserved(status), aTask({ step: 'workspace_creation' }))
    expect(outcome).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })

  const placed = aPlacedTask({ step: 'workspace_creation' })

  it('asks the agent once it is placed, and again to the same effect', async () => {
    const { ctx, agent } = bench()
    for (const _ of [1, 2]) {
      expect(await workspaceCreation(ctx, placed)).toMatchObject({ kind: 'advance', to: 'workspace_ready' })
    }
    expect([...agent.workspaces.keys()]).toEqual(['t1-1-1'])
    expect(agent.builds.get('t1-1-1')).toBe(1)
  })
  it('hands over what was asked for and the token to call back with', async () => {
    const { ctx, agent } = bench()
    await workspaceCreation(ctx, placed)
    expect(agent.workspaces.get('t1-1-1')?.body).toEqual({
      workspaceId: 't1-1-1',
      taskId: 't1',
      attempt: 1,
      source: { kind: 'git', url: 'https://example.org/repo.git', ref: null },
      outputBranch: 'tdf/say-hi',
      author: { name: 'tdf', email: 'tdf@localhost' },
      setup: null,
      callback: { token: 'callback-token' },
      trailer: 'Assisted-by: fake (task t1 of tdf)',
      repositorySetup: { policy: 'refuse', timeoutMs: 20 * 60_000 },
    })
  })
  it('uploads the bundle of a local repository', async () => {
    const { ctx, agent } = bench()
    const repo = {
      kind: 'bundle',
      url: '/r',
      ref: 'refs/heads/main',
      baseCommit: '1'.repeat(40),
      sha256: 'a'.repeat(64),
      bytes: 3,
    }
    await workspaceCreation(ctx, { ...placed, spec: aSpec({ repo: { ...repo, kind: 'bundle' } }) })
    expect(agent.requests).toEqual(['POST /workspaces', 'PUT /workspaces/t1-1-1/bundle'])
  })
  it('gives nothing to an agent that knows no sandbox where one is asked for', async () => {
    const sandbox = { kind: 'bubblewrap' as const, hidden: [], readable: [], writable: [] }
    const { ctx, agent } = bench({ sandbox: () => sandbox })
    await expect(workspaceCreation(ctx, placed)).rejects.toMatchObject({
      ...{ code: 'SANDBOX_UNAVAILABLE', class: 'permanent' },
      message: expect.stringMatching(/older version/),
    })
    expect(agent.workspaces.size).toBe(0)
  })
  it('gives its slot back when the node was lost after placing', async () => {
    const { ctx } = bench({ nodeState: aNode({ status: 'lost' }) })
    expect(await workspaceCreation(ctx, placed)).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })
  it('gives its slot back when a workspace of that name was deleted there before', async () => {
    const { ctx, agent } = bench()
    agent.faults.refuse.push({ match: /POST/, status: 410 })
    expect(await workspaceCreation(ctx, placed)).toMatchObject({ kind: 'advance', to: 'node_selection' })
  })
  it('looks again when the machine was made anew, until its own journey knows; asked to stop, it says why it could not', async () => {
    const replaced = async () => {
      throw new TdfError('NODE_REPLACED', 'made anew')
    }
    const stopped = AbortSignal.abort()
    expect(await workspaceCreation(bench({ agent: replaced }).ctx, placed)).toMatchObject({
      kind: 'wait',
      looked: false,
    })
    const { ctx } = bench({ agent: replaced, signal: stopped })
    await expect(workspaceCreation(ctx, placed)).rejects.toMatchObject({ code: 'NODE_REPLACED' })
  })
  it('throws what the engine tries again when the agent answers 503', async () => {
    const { ctx, agent } = bench()
    agent.faults.refuse.push({ match: /POST/, status: 503, retryAfterS: 7 })
    await expect(workspaceCreation(ctx, placed)).rejects.toMatchObject({
      code: 'AGENT_BUSY',
      class: 'transient',
      retryAfterMs: 7000,
    })
  })
  it('throws what the engine waits out when nobody answers', async () => {
    const { ctx, agent } = bench()
    agent.faults.down = true
    await expect(workspaceCreation(ctx, placed)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', class: 'wait' })
  })
  it('throws what ends the attempt when the agent refuses', async () => {
    const { ctx, agent } = bench()
    agent.faults.refuse.push({ match: /POST/, status: 409 })
    await expect(workspaceCreation(ctx, placed)).rejects.toMatchObject({ code: 'AGENT_REFUSED', class: 'permanent' })
  })
})
