/**
 * The task waits for its user. With `--interactive` the session rests and its workspace is kept, until a follow-up, a
 * close or the deadline; with the policy `ask` the session runs and waits for an answer.
 */
import type { StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'
import { nextSession } from '../sessions.ts'
import { followups } from './followups.ts'
import { isLost, nodeLost } from './node-state.ts'
import { answerQuestion } from './question.ts'
import { startSession } from './session.ts'

export const awaitingFollowup: StepHandler<'running' | 'salvage'> = async (ctx, task) => {
  if (isLost(ctx, task)) return nodeLost(ctx, task)
  if (task.facts.question) return answerQuestion(ctx, task, task.facts.question)
  const [followup] = followups(ctx, task)
  if (followup) return startSession(ctx, task, { ...nextSession(task), prompt: followup.text }, { uses: [followup.id] })
  const close = ctx.signals.find(signal => signal.kind === 'close')
  if (close) return advance('salvage', { uses: [close.id] })
  if (task.deadlineAt !== null && ctx.now >= task.deadlineAt) return advance('salvage')
  return wait(ctx.config.runner.followupTimeout, 'your follow-up')
}
