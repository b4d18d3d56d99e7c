/** Only with `--interactive`: the session rests, its workspace is kept, until a follow-up, a close or the deadline. */
import type { StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'
import { nextSession } from '../sessions.ts'
import { isLost, nodeLost } from './node-state.ts'
import { startSession } from './session.ts'

export const awaitingFollowup: StepHandler<'running' | 'salvage'> = async (ctx, task) => {
  const followup = ctx.signals.find(signal => signal.kind === 'followup')
  if (followup) {
    if (isLost(ctx, task)) return nodeLost(ctx, task)
    const prompt = String(followup.payload.text)
    const started = await startSession(ctx, task, { ...nextSession(task), prompt })
    return { ...started, uses: [followup.id] }
  }
  const close = ctx.signals.find(signal => signal.kind === 'close')
  if (close) return advance('salvage', { uses: [close.id] })
  if (task.deadlineAt !== null && ctx.now >= task.deadlineAt) return advance('salvage')
  return wait(ctx.config.runner.followupTimeout, 'your follow-up')
}
