/**
 * Waits for a slot. The placement pass reserves it (daemon/place.ts); this step only learns of it, so ten thousand
 * waiting tasks cost nothing. Why a task waits is worked out when somebody asks.
 */
import type { StepHandler } from '../context.ts'
import { advance, wait } from '../outcome.ts'

export const WAITING_FOR_SLOT = 'a slot on a node'

export const nodeSelection: StepHandler<'workspace_creation' | 'node_provisioning'> = async (ctx, task) => {
  if (task.status === 'parked') {
    const until = Math.max(task.parkedUntil ?? 0, ctx.limitedUntil ?? 0)
    const why = `the usage limit of ${task.spec.agent.name} to be lifted`
    return ctx.now < until ? wait(until - ctx.now, why, { parkedUntil: until }) : { kind: 'queue' }
  }
  const node = ctx.reservedNode === null ? undefined : ctx.node(ctx.reservedNode)
  if (!node) return wait(ctx.config.runner.queueTimeout, WAITING_FOR_SLOT)
  return advance(node.status === 'ready' || node.status === 'warm' ? 'workspace_creation' : 'node_provisioning')
}
