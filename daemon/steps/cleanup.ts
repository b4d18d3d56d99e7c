/**
 * Undoes what the attempt made outside. Each thing is a work item of its own, tried again until it is confirmed; what
 * cannot be confirmed now is left to the sweep, visibly.
 */
import type { StepHandler } from '../context.ts'
import { wait } from '../outcome.ts'

const TRIES_MAX = 5

export const cleanup: StepHandler<never> = async (ctx, _task) => {
  const left = await ctx.undo()
  if (left.length === 0) return { kind: 'finish', cleanup: 'done' }
  const blocked = left.some(item => item.kind === 'salvage' || item.tries >= TRIES_MAX)
  if (blocked) return { kind: 'finish', cleanup: 'failed' }
  const nextAt = Math.min(...left.map(item => item.dueAt))
  const item = left[0]
  return wait(
    nextAt - ctx.now,
    `${item?.kind.replace('_', ' ')} on ${item?.nodeName}: ${item?.error ?? 'not confirmed'}`,
  )
}
