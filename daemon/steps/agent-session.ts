/** Starts the agent with its prompt. */
import type { StepHandler } from '../context.ts'
import { sessionIdOf } from '../sessions.ts'
import { isLost, nodeLost } from './node-state.ts'
import { startSession } from './session.ts'

export const agentSession: StepHandler<'running'> = async (ctx, task) => {
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  return startSession(ctx, task, { id: sessionIdOf(task, 1), prompt: task.spec.prompt, followups: 0 })
}
