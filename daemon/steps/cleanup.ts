/**
 * Undoes what the attempt made outside. Each thing is a work item of its own, tried again until it is confirmed; what
 * cannot be confirmed now is left to the sweep, visibly.
 */
import { taskWaits } from '../../src/text/waiting.ts'
import { wait } from '../engine/rules/outcome.ts'
import type { StepHandler } from './step.ts'

const TRIES_MAX = 5

export const cleanup: StepHandler<never> = async (ctx, _task) => {
  const left = await ctx.undo()
  if (left.length === 0) return { kind: 'finish', cleanup: 'done' }
  const blocked = left.some(item => item.kind === 'salvage' || item.tries >= TRIES_MAX)
  if (blocked) return { kind: 'finish', cleanup: 'failed' }
  // Of each workspace only the first can be tried; the others wait for it.
  const first = left.filter((item, index) => left.findIndex(({ subject }) => subject === item.subject) === index)
  const item = first.reduce((soonest, other) => (other.dueAt < soonest.dueAt ? other : soonest))
  return wait(item.dueAt - ctx.now, taskWaits.cleanup(item.kind, item.nodeName, item.error))
}
