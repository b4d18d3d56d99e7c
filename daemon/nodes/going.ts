/** Holds the machine while work on it is not saved; the sweep keeps trying. Freed by success, by you, or by time. */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { unsavedAttemptsOn } from '../../src/store/tables/attempts.ts'
import type { ReadNode } from '../../src/store/tables/nodes.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { discardWork } from '../engine/cleanup.ts'
import { keepsMachines } from '../placement/admission.ts'
import { handshake } from './contact.ts'
import type { NodeContext, NodeHandler, NodeOutcome } from './handler.ts'

const LOOK_MS = 30_000

export const held: NodeHandler = async (ctx, node) => {
  const { engine, unsaved, workspaces, now, signal } = ctx
  const isLate = node.deadlineAt !== null && now >= node.deadlineAt
  const isReplaced = unsaved > 0 && (await engine.agents.of(node, signal).then(never, wasReplaced))
  // It came back without its state: what was to be saved is gone, and the greeting says so to everybody.
  if (isReplaced) return { ...(await handshake(ctx, node)), ms: 0 }
  if (unsaved > 0 && !isLate) {
    const ms = Math.min(LOOK_MS, (node.deadlineAt ?? Infinity) - now)
    return { ms, waitingFor: nodeWaits.workOf(unsaved) }
  }
  if (unsaved > 0) {
    const hours = Math.round(engine.config.nodes.heldMax / 3_600_000)
    await engine.store.commit(() =>
      discardWork(engine, node.name, `it could not be saved within held_max (${hours} h)`),
    )
  }
  // Found without a row of ours: the sweep looks what is on it, and lets it go.
  if (node.facts.adopted) return { ms: LOOK_MS, waitingFor: nodeWaits.adoptedWork() }
  if (!node.autoProvisioned) return { status: 'ready', ms: 0, deadlineAt: null, waitingFor: null }
  // Nobody is left to tidy up on it, nothing that lives has work there, and its time is over.
  if (isLate && isSilent(ctx, node) && unsavedAttemptsOn(engine.store.sql, node.name) === 0) {
    return { status: 'destroying', ms: 0, deadlineAt: null, waitingFor: nodeWaits.removal() }
  }
  const waitingFor = workspaces > 0 ? nodeWaits.workspacesRemoved(workspaces) : null
  return { status: 'draining', ms: 0, deadlineAt: null, waitingFor }
}

/** While we did not listen, nobody could be heard. */
const isSilent = ({ now, heartbeat, engine }: NodeContext, { createdAt }: ReadNode) =>
  now - Math.max(heartbeat?.at ?? createdAt, engine.loop.epochAt()) >= engine.config.nodes.lostAfter

const never = () => false
const wasReplaced = (error: unknown) => asTdfError(error).code === 'NODE_REPLACED'

/** Not heard of for too long. Its tasks were told; if it comes back it is greeted like a new one, else it is removed. */

export const lost: NodeHandler = async (ctx, node) => {
  const { engine, signal, unsaved } = ctx
  const machine = await engine.providers[node.provider]?.find(node, signal)
  if (machine?.state === 'gone') {
    if (unsaved > 0) await engine.store.commit(() => discardWork(engine, node.name, 'its machine is gone'))
    return { status: 'destroying', ms: 0, waitingFor: nodeWaits.removal() }
  }
  try {
    return comeBack(ctx, await handshake(ctx, node))
  } catch (thrown) {
    if (!node.autoProvisioned || !(thrown instanceof TdfError)) throw thrown
    return stillLost(ctx, node, thrown)
  }
}

function comeBack({ engine, unsaved, now }: NodeContext, handshaken: Partial<NodeOutcome>): NodeOutcome {
  const { heldMax, heartbeatInterval } = engine.config.nodes
  const [status, deadlineAt] = unsaved > 0 ? (['held', now + heldMax] as const) : (['ready', null] as const)
  return { ...handshaken, status, deadlineAt, waitingFor: null, ms: heartbeatInterval }
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
    const waitingFor = nodeWaits.adoptedWork()
    return { status: 'held', ms: provisionPollInterval, deadlineAt: now + engine.config.nodes.heldMax, waitingFor }
  }
  const deadlineAt = node.deadlineAt ?? now + salvageTimeout + GRACE_MS
  if (
    now >= deadlineAt &&
    !keepsMachines(engine) &&
    unsaved === 0 &&
    unsavedAttemptsOn(engine.store.sql, node.name) === 0
  ) {
    return { status: 'destroying', ms: 0, waitingFor: nodeWaits.removal() }
  }
  const ms = Math.max(error.retryAfterMs ?? 0, provisionPollInterval)
  return { ms, deadlineAt, waitingFor: nodeWaits.return(error.message) }
}

/** On its way out. It is gone only when the provider says so, and never while work on it is not saved. */

export const destroying: NodeHandler = async ({ engine, unsaved, now, signal }, node) => {
  const { providers, config } = engine
  if (unsaved > 0) {
    return { status: 'held', ms: 0, deadlineAt: now + config.nodes.heldMax, waitingFor: nodeWaits.work() }
  }
  const isGone = (await providers[node.provider]?.destroy(node, signal)) ?? true
  engine.agents.forget(node.name)
  if (isGone) return { status: 'destroyed', ms: null, waitingFor: null, warmUntil: null }
  return { ms: config.runner.provisionPollInterval, waitingFor: nodeWaits.removal() }
}
