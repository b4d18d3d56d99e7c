/** Not heard of for too long. Its tasks were told; if it comes back it is greeted like a new one, else it is removed. */
import { TdfError } from '../../src/errors.ts'
import { unsavedAttemptsOn } from '../../src/store/attempts.ts'
import type { ReadNode } from '../../src/store/nodes.ts'
import { keepsMachines } from '../admission.ts'
import { discardWork } from '../discard.ts'
import { greet } from './greet.ts'
import type { NodeContext, NodeHandler, NodeOutcome } from './handler.ts'

export const lost: NodeHandler = async (ctx, node) => {
  const { engine, signal, unsaved } = ctx
  const machine = await engine.providers[node.provider]?.find(node, signal)
  if (machine?.state === 'gone') {
    if (unsaved > 0) await engine.store.commit(() => discardWork(engine, node.name, 'its machine is gone'))
    return { status: 'destroying', ms: 0, waitingFor: 'the provider to remove it' }
  }
  try {
    return comeBack(ctx, await greet(ctx, node))
  } catch (thrown) {
    if (!node.autoProvisioned || !(thrown instanceof TdfError)) throw thrown
    return stillLost(ctx, node, thrown)
  }
}

function comeBack({ engine, unsaved, now }: NodeContext, greeted: Partial<NodeOutcome>): NodeOutcome {
  const { heldMax, heartbeatInterval } = engine.config.nodes
  const [status, deadlineAt] = unsaved > 0 ? (['held', now + heldMax] as const) : (['ready', null] as const)
  return { ...greeted, status, deadlineAt, waitingFor: null, ms: heartbeatInterval }
}

/** Beyond the time that a task gives its work to come home, in ms. */
const GRACE_MS = 60_000

/**
 * A machine that runs and does not answer costs money. Once every task on it has given up, and has it held if its work
 * is still there, nothing that is only here is left.
 */
function stillLost({ engine, unsaved, now }: NodeContext, node: ReadNode, error: TdfError): NodeOutcome {
  const { provisionPollInterval, salvageTimeout } = engine.config.runner
  if (node.facts.adopted) {
    const waitingFor = 'what is on it to be saved: it was found without an owner'
    return { status: 'held', ms: provisionPollInterval, deadlineAt: now + engine.config.nodes.heldMax, waitingFor }
  }
  const deadlineAt = node.deadlineAt ?? now + salvageTimeout + GRACE_MS
  if (
    now >= deadlineAt &&
    !keepsMachines(engine) &&
    unsaved === 0 &&
    unsavedAttemptsOn(engine.store.sql, node.name) === 0
  ) {
    return { status: 'destroying', ms: 0, waitingFor: 'the provider to remove it' }
  }
  const ms = Math.max(error.retryAfterMs ?? 0, provisionPollInterval)
  return { ms, deadlineAt, waitingFor: `it to answer again: ${error.message}` }
}
