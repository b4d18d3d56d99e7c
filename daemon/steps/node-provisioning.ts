/** Waits for the machine it is reserved on. The node's own journey talks to the provider and wakes this task. */
import type { StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'

const GONE = ['failed', 'lost', 'held', 'draining', 'destroying', 'destroyed']

export const nodeProvisioning: StepHandler<'node_agent_ready' | 'node_selection'> = async ctx => {
  const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
  if (!node || GONE.includes(node.status)) return advance('node_selection')
  if (node.status === 'ordered' || node.status === 'creating') {
    return wait(ctx.config.runner.provisionPollInterval, node.waitingFor ?? `node ${node.name} to be created`)
  }
  return advance('node_agent_ready')
}
