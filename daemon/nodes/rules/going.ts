/** A node that is held, lost, or on its way out. */
import type { TdfError } from '../../../src/core/errors.ts'
import type { Node } from '../../../src/core/node.ts'
import { nodeWaits } from '../../../src/text/waiting.ts'
import { isLost, silentMs } from './heartbeat.ts'
import { destroying, isLate, isOfProvider, learnt, type Next, retry } from './next.ts'
import type { Handshake, NodeInput } from './outcome.ts'

const HELD_LOOK_MS = 30_000
/** Beyond the time that a task gives its work to come home. */
const LOST_GRACE_MS = 60_000

/** Holds the machine while work on it is not saved. Freed by success, by its user, or by time. */
export function hold(node: Node, input: NodeInput): Next {
  const { now, config, unsaved } = input
  if (unsaved === 0) return release(node, input)
  if (!isLate(node, input)) {
    const ms = Math.min(HELD_LOOK_MS, (node.deadlineAt ?? Infinity) - now)
    return { ms, waitingFor: nodeWaits.workOf(unsaved) }
  }
  const hours = Math.round(config.nodes.heldMax / 3_600_000)
  return { ...release(node, input), discard: `it could not be saved within held_max (${hours} h)` }
}

function release(node: Node, input: NodeInput): Next {
  const { config, workspaces, heartbeat, unsavedAttempts } = input
  // The sweep of machines looks what is on it, and releases it.
  if (node.facts.adopted) return { ms: HELD_LOOK_MS, waitingFor: nodeWaits.adoptedWork() }
  if (!node.autoProvisioned) return { status: 'ready', ms: 0, deadlineAt: null, waitingFor: null }
  const isSilent = isLost(silentMs(heartbeat?.at ?? node.createdAt, input), config)
  // No agent is left to clean up on it, no live task has work there, and its time is over.
  if (isLate(node, input) && isSilent && unsavedAttempts === 0) return { ...destroying(), deadlineAt: null }
  const waitingFor = workspaces > 0 ? nodeWaits.workspacesRemoved(workspaces) : null
  return { status: 'draining', ms: 0, deadlineAt: null, waitingFor }
}

export function foundAgain(outcome: Handshake, { now, config, unsaved }: NodeInput): Next {
  const { heldMax, heartbeatInterval: ms } = config.nodes
  const found = { ...learnt(outcome), waitingFor: null, ms }
  if (unsaved > 0) return { ...found, status: 'held', deadlineAt: now + heldMax }
  return { ...found, status: 'ready', deadlineAt: null }
}

/**
 * A machine that runs and does not answer costs money. Once every task on it has ended or given up, and holds the node
 * if its work is still there, nothing that is only here is left.
 */
export function stillLost(node: Node, error: TdfError, input: NodeInput): Next {
  if (!node.autoProvisioned || error.code === 'BUG' || isOfProvider(error)) return retry(node, error, input)
  const { now, config, unsaved, unsavedAttempts, keepsMachines } = input
  const { provisionPollInterval, salvageTimeout } = config.runner
  if (node.facts.adopted) {
    const deadlineAt = now + config.nodes.heldMax
    return { status: 'held', ms: provisionPollInterval, deadlineAt, waitingFor: nodeWaits.adoptedWork() }
  }
  const deadlineAt = node.deadlineAt ?? now + salvageTimeout + LOST_GRACE_MS
  if (isLate({ deadlineAt }, input) && !keepsMachines && unsaved === 0 && unsavedAttempts === 0) return destroying()
  const ms = Math.max(error.retryAfterMs ?? 0, provisionPollInterval)
  return { ms, deadlineAt, waitingFor: nodeWaits.return(error.message) }
}

/** Its provider confirmed that the machine is gone: what was on it cannot be saved any more. */
export const lostForGood = ({ unsaved }: NodeInput): Next =>
  unsaved > 0 ? { ...destroying(), discard: 'its machine is gone' } : destroying()

/** A machine is never destroyed while work on it is not saved. */
export const holdUnsaved = ({ now, config, unsaved }: NodeInput): Next =>
  unsaved > 0
    ? { status: 'held', ms: 0, deadlineAt: now + config.nodes.heldMax, waitingFor: nodeWaits.work() }
    : { ms: 0 }

/** It is gone only when its provider says so. */
export const removed = (isGone: boolean, { config }: NodeInput): Next =>
  isGone
    ? { status: 'destroyed', ms: null, waitingFor: null, warmUntil: null }
    : { ms: config.runner.provisionPollInterval, waitingFor: nodeWaits.removal() }
