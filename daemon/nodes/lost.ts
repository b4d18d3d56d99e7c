/** Not heard of for too long. Its tasks were told; when it comes back it is greeted like a new one. */

import { greet } from './greet.ts'
import type { NodeHandler } from './journey.ts'

export const lost: NodeHandler = async (ctx, node) => {
  const { engine } = ctx
  const provider = engine.providers[node.provider]
  await provider?.ensure(node, ctx.signal)
  const greeted = await greet(ctx, node)
  return { ...greeted, status: 'ready', waitingFor: null, ms: engine.config.nodes.heartbeatInterval }
}
