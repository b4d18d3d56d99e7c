/** Waits for the machine it is reserved on. The node's own journey talks to the provider and wakes this task. */
import { TdfError } from '../../src/errors.ts'
import type { StepHandler } from '../context.ts'
import { advance, fail, wait } from '../outcome.ts'

const GONE = ['failed', 'lost', 'held', 'draining', 'destroying', 'destroyed']

export const nodeProvisioning: StepHandler<'node_agent_ready' | 'node_selection'> = async (ctx, task) => {
  const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
  if (!node || GONE.includes(node.status)) return advance('node_selection')
  if (node.status !== 'ordered' && node.status !== 'creating') return advance('node_agent_ready')
  const { provisionPollInterval, queueTimeout } = ctx.config.runner
  const why = node.waitingFor ?? `node ${node.name} to be created`
  // Without a machine there is nothing that could be late: room, quota and tokens are waited for as long as a slot.
  const queueEndsAt = task.createdAt + queueTimeout
  if (node.deadlineAt === null && ctx.now >= queueEndsAt) {
    return fail(new TdfError('QUEUE_TIMEOUT', `no machine was to be had: ${why}`), 'timeout')
  }
  return wait(provisionPollInterval, why, { deadlineMs: (node.deadlineAt ?? queueEndsAt) - ctx.now })
}
