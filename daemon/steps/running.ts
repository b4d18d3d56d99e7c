/**
 * Follows the agent to its end: by the exit that was told, else by looking every `reconcile_interval`. Ends a run that
 * is idle (no byte and no processor time); a run at its soft limit goes on while it still writes.
 */
import { TdfError } from '../../src/errors.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import type { ProgressFacts, Task } from '../../src/task.ts'
import type { StepContext, StepHandler } from '../context.ts'
import { fail, type Outcome, wait } from '../outcome.ts'
import { isLost, nodeLost } from './node-state.ts'
import { ended, exitTold } from './session.ts'

type Next = 'salvage' | 'awaiting_followup'

export const running: StepHandler<Next> = async (ctx, task) => {
  const told = exitTold(ctx, task.sessionId)
  if (told && task.spec.agent.type === 'command') {
    return settle(task, ended(task, { ...told, errorMessage: told.errorMessage, outcome: 'none', summary: null }, null))
  }
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  const interval = ctx.config.runner.reconcileInterval
  const lookedAt = task.facts.progress?.lookedAt ?? task.stepEnteredAt
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const dueMs = lookedAt + interval - ctx.now
  if (!told && !isLate && dueMs > 0) return wait(dueMs, WHY)
  return look(ctx, task)
}

const WHY = 'the agent to finish'

async function look(ctx: StepContext, task: Task): Promise<Outcome<Next>> {
  if (task.nodeName === null || task.workspaceId === null || task.sessionId === null) return nodeLost(ctx, task)
  const agent = await ctx.agent(task.nodeName)
  const session = await agent.session(task.workspaceId, task.sessionId)
  if (session === null) {
    const error = new TdfError('WORKSPACE_GONE', `${task.nodeName} does not know session ${task.sessionId} any more`)
    return fail(error, 'infrastructure')
  }
  if (session.status === 'exited') {
    const { exitCode, signal, errorMessage, outcome, summary } = session
    return settle(task, ended(task, { exitCode, signal, errorMessage, outcome, summary }, session))
  }
  return goOn(ctx, task, session)
}

function goOn(ctx: StepContext, task: Task, session: AgentSession): Outcome<Next> {
  const { reconcileInterval, idleTimeout } = ctx.config.runner
  const progress = progressOf(ctx, task, session)
  const idleMs = ctx.now - Math.max(progress.changedAt, ctx.epochAt)
  if (idleMs >= idleTimeout) {
    const minutes = Math.round(idleMs / 60_000)
    const error = new TdfError('IDLE_TIMEOUT', `the agent wrote nothing and used no processor for ${minutes} min`)
    return fail(error, 'timeout', { facts: { progress } })
  }
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const stillWrites = ctx.now - progress.outputAt < idleTimeout
  const learnt = {
    facts: {
      progress,
      session: { status: 'running' as const, exitCode: null, signal: null, resumeRef: session.resumeRef },
    },
    ...(session.usage ? { usage: session.usage } : {}),
    ...(isLate && stillWrites ? { deadlineMs: idleTimeout } : {}),
  }
  return wait(Math.min(reconcileInterval, idleTimeout - idleMs), WHY, learnt)
}

function progressOf(ctx: StepContext, task: Task, session: AgentSession): ProgressFacts {
  const before = task.facts.progress
  const wrote = !before || before.output !== session.lastOutputAt
  const moved = wrote || before.cpuMs !== session.cpuMs
  return {
    lookedAt: ctx.now,
    output: session.lastOutputAt,
    cpuMs: session.cpuMs,
    changedAt: moved ? ctx.now : before.changedAt,
    outputAt: wrote ? ctx.now : before.outputAt,
  }
}

/** An interactive task keeps its session after a good end and waits for its user. */
function settle(task: Task, outcome: Outcome<'salvage'>): Outcome<Next> {
  if (outcome.kind !== 'advance' || !task.spec.interactive) return outcome
  return { ...outcome, to: 'awaiting_followup' }
}
