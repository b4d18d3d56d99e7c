/**
 * Waits for the ready callback. An early one is already in the inbox; a lost one is made up for by asking the agent
 * every `workspace_ready_poll_interval`, and once more before the deadline counts.
 */
import { TdfError } from '../../src/errors.ts'
import { provisioningFailed, workspaceReady as readyBody } from '../../src/protocol/callbacks.ts'
import type { Task } from '../../src/task.ts'
import type { StepContext, StepHandler, ToldHandler } from '../context.ts'
import { advance, fail, type Outcome, wait } from '../outcome.ts'
import { nextSession } from '../sessions.ts'
import { isLost, nodeLost } from './node-state.ts'

type Next = 'agent_session' | 'workspace_creation'

export const workspaceReady: StepHandler<Next> = async (ctx, task) => {
  const answer = workspaceTold(ctx, task)
  if (answer) return answer
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  const pollMs = ctx.config.runner.workspaceReadyPollInterval
  const waitedMs = ctx.now - task.stepEnteredAt
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const why = `workspace ${task.workspaceId} on ${task.nodeName} to say that it is ready`
  if (waitedMs < pollMs && !isLate) return wait(pollMs - waitedMs, why)
  return (await ask(ctx, task)) ?? wait(pollMs, why)
}

/** What the callbacks say; the first word counts. */
export const workspaceTold: ToldHandler<Next> = (ctx, task) => {
  const words = ctx.signals.filter(({ kind }) => kind === 'workspace_ready' || kind === 'provisioning_failed')
  const first = words[0]
  if (!first) return undefined
  const uses = words.map(word => word.id)
  if (first.kind === 'workspace_ready') return ready(task, readyBody.parse(first.payload).status, uses)
  return failed(provisioningFailed.parse(first.payload).errorMessage, uses)
}

async function ask(ctx: StepContext, task: Task): Promise<Outcome<Next> | undefined> {
  if (task.nodeName === null || task.workspaceId === null) return advance('workspace_creation')
  const agent = await ctx.agent(task.nodeName)
  const workspace = await agent.workspace(task.workspaceId)
  if (workspace === null) return advance('workspace_creation')
  if (workspace.status === 'ready') return ready(task, 'running')
  if (workspace.status === 'creating') return undefined
  return failed(workspace.errorMessage ?? `the agent says that the workspace is ${workspace.status}`)
}

function ready(task: Task, status: 'running' | 'recovery', uses: number[] = []): Outcome<Next> {
  const warning = 'the workspace was built with a fallback'
  return advance('agent_session', {
    uses,
    workspaceStatus: 'ready',
    sessionId: nextSession(task).id,
    ...(status === 'recovery' ? { facts: { warning } } : {}),
  })
}

function failed(message: string, uses: number[] = []): Outcome<Next> {
  const error = new TdfError('WORKSPACE_FAILED', message || 'the agent could not build the workspace')
  return fail(error, 'infrastructure', { uses, workspaceStatus: 'failed' })
}
