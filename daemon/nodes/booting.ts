/** Waits for the node's agent to answer with the right name, tells it where to call, and learns its state id. */
import { TdfError } from '../../src/errors.ts'
import { keepsMachines } from '../admission.ts'
import { greet } from './greet.ts'
import type { NodeHandler } from './handler.ts'

export const booting: NodeHandler = async (ctx, node) => {
  const { engine, now } = ctx
  try {
    const greeted = await greet(ctx, node)
    return {
      ...greeted,
      status: 'ready',
      readyAt: node.readyAt ?? now,
      deadlineAt: null,
      waitingFor: null,
      ms: engine.config.nodes.heartbeatInterval,
    }
  } catch (thrown) {
    const isLate = node.deadlineAt !== null && now >= node.deadlineAt
    const stays = !node.autoProvisioned || keepsMachines(engine)
    if (!isLate || stays || !(thrown instanceof TdfError)) throw thrown
    // A machine whose agent was never ready is worth nothing: it is destroyed, not kept warm.
    return {
      status: 'destroying',
      ms: 0,
      facts: { ...node.facts, error: `its agent was never ready: ${thrown.message}` },
    }
  }
}
