/** Takes no new work. When the last of its work is done, a machine of ours is destroyed; yours just stays drained. */
import { keepsMachines } from '../admission.ts'
import type { NodeHandler } from './handler.ts'
import { serving } from './serving.ts'

export const draining: NodeHandler = async (ctx, node) => {
  const mayGo = !node.facts.adopted && !keepsMachines(ctx.engine)
  const isEmpty = mayGo && ctx.workspaces === 0 && ctx.reservations === 0 && ctx.unsaved === 0
  if (isEmpty && node.autoProvisioned) return { status: 'destroying', ms: 0, waitingFor: 'the provider to remove it' }
  const { status, waitingFor, ...outcome } = await serving(ctx, node)
  if (status === 'lost') return { ...outcome, status, waitingFor: waitingFor ?? null }
  return { ...outcome, waitingFor: isEmpty ? null : `${ctx.workspaces} workspaces to end` }
}
