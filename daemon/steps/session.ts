/** Sessions of an attempt: their names, how one is started, and what its end means. */
import { TdfError } from '../../src/errors.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import { type TaskStatusBody, taskStatus } from '../../src/protocol/callbacks.ts'
import type { ExitFacts, Task } from '../../src/task.ts'
import type { StepContext } from '../context.ts'
import { advance, fail, type Learnt, type Outcome } from '../outcome.ts'
import { nodeLost } from './node-state.ts'

/** Starts a session by one idempotent call; the run counts from the agent's confirmation. */
export async function startSession(
  ctx: StepContext,
  task: Task,
  session: { id: string; prompt: string; followups: number },
): Promise<Outcome<'running'>> {
  if (task.nodeName === null || task.workspaceId === null) return nodeLost(ctx, task)
  const agent = await ctx.agent(task.nodeName)
  const { type, command, env } = task.spec.agent
  try {
    const { status } = await agent.startSession(task.workspaceId, {
      sessionId: session.id,
      agent: { type, command, env: ctx.secrets(env) },
      prompt: session.prompt,
      timeoutMs: task.spec.timeoutMs ?? ctx.config.runner.absoluteExecution,
      resumeRef: task.facts.session?.resumeRef ?? null,
    })
    const resumeRef = task.facts.session?.resumeRef ?? null
    return advance('running', {
      sessionId: session.id,
      facts: { followups: session.followups, session: { status, exitCode: null, signal: null, resumeRef } },
    })
  } catch (error) {
    if (error instanceof TdfError && error.code === 'CANNOT_START') return fail(error, 'agent_error')
    throw error
  }
}

/** The exit of session `id` as a callback or the outbox told it. */
export function exitTold(ctx: StepContext, id: string | null): TaskStatusBody | undefined {
  for (const { kind, payload } of ctx.signals) {
    if (kind !== 'session_exited') continue
    const body = taskStatus.parse(payload)
    if (body.sessionId === id) return body
  }
  return undefined
}

/** What the end of the agent means for its task. Exit code 0 is not success: git facts and the check come first. */
export function ended(task: Task, exit: ExitFacts, session: AgentSession | null): Outcome<'salvage'> {
  const { exitCode, signal } = exit
  const learnt: Learnt = {
    facts: { exit, session: { status: 'exited', exitCode, signal, resumeRef: session?.resumeRef ?? null } },
    ...(session?.usage ? { usage: session.usage } : {}),
  }
  if (exit.errorMessage === 'timeout') {
    const error = new TdfError('EXECUTION_TIMEOUT', 'the agent was ended by its time limit')
    return fail(error, 'timeout', learnt)
  }
  if (exit.outcome === 'permission_denied') {
    const error = new TdfError('AGENT_FAILED', exit.summary ?? 'the agent was denied a permission that it needed')
    return fail(error, 'permission_denied', learnt)
  }
  if (exit.outcome === 'budget') {
    return fail(new TdfError('AGENT_FAILED', exit.summary ?? 'the agent spent what it may cost'), 'budget', learnt)
  }
  if (exitCode !== 0 || exit.outcome === 'error' || exit.outcome === 'usage_limit') {
    const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`
    const why = exit.errorMessage ?? (exit.outcome === 'none' ? null : exit.summary)
    const error = new TdfError('AGENT_FAILED', `the agent of ${task.id} ended ${how}${why ? `: ${why}` : ''}`)
    return fail(error, 'agent_error', learnt)
  }
  return advance('salvage', learnt)
}
