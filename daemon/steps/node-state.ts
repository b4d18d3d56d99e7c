/** What a step may read from the state of its node. */
import { TdfError } from '../../src/errors.ts'
import type { Task } from '../../src/task.ts'
import type { StepContext } from '../context.ts'
import { fail } from '../outcome.ts'

const LOST = ['lost', 'destroying', 'destroyed', 'failed']

/** The node of a placed task is gone: given up by its own journey, removed, or back without what ran on it. */
export function isLost(ctx: StepContext, task: Task): boolean {
  const node = task.nodeName === null ? undefined : ctx.node(task.nodeName)
  return !node || LOST.includes(node.status) || ctx.workspaceStatus === 'lost'
}

/** The end of an attempt whose machine went away under it. */
export function nodeLost(ctx: StepContext, task: Task) {
  const node = task.nodeName === null ? undefined : ctx.node(task.nodeName)
  const why = node?.facts.error ? `: ${node.facts.error}` : ''
  return fail(new TdfError('NODE_LOST', `node ${task.nodeName} was lost during ${task.step}${why}`), 'infrastructure')
}
