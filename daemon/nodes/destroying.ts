/** On its way out. It is gone only when the provider says so, and never while work on it is not saved. */
import type { NodeHandler } from './handler.ts'

export const destroying: NodeHandler = async ({ engine, unsaved, now, signal }, node) => {
  const { providers, config } = engine
  if (unsaved > 0) {
    return { status: 'held', ms: 0, deadlineAt: now + config.nodes.heldMax, waitingFor: 'the work on it to be saved' }
  }
  const isGone = (await providers[node.provider]?.destroy(node, signal)) ?? true
  engine.agents.forget(node.name)
  if (isGone) return { status: 'destroyed', ms: null, waitingFor: null, warmUntil: null }
  return { ms: config.runner.provisionPollInterval, waitingFor: 'the provider to remove it' }
}
