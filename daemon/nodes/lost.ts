/** Not heard of for too long. Its tasks were told; if it comes back it is greeted like a new one, else it is removed. */
import { discardWork } from '../discard.ts'
import { greet } from './greet.ts'
import type { NodeHandler } from './journey.ts'

export const lost: NodeHandler = async (ctx, node) => {
  const { engine, signal, unsaved } = ctx
  const machine = await engine.providers[node.provider]?.find(node, signal)
  if (machine?.state === 'gone') {
    if (unsaved > 0) await engine.store.commit(() => discardWork(engine, node.name, 'its machine is gone'))
    return { status: 'destroying', ms: 0, waitingFor: 'the provider to remove it' }
  }
  const greeted = await greet(ctx, node)
  const status = unsaved > 0 ? 'held' : 'ready'
  const deadlineAt = unsaved > 0 ? ctx.now + engine.config.nodes.heldMax : null
  return { ...greeted, status, deadlineAt, waitingFor: null, ms: engine.config.nodes.heartbeatInterval }
}
