/** Holds the machine while work on it is not saved; the sweep keeps trying. Freed by success, by you, or by time. */

import { asTdfError } from '../../src/errors.ts'
import { unsavedAttemptsOn } from '../../src/store/attempts.ts'
import type { ReadNode } from '../../src/store/nodes.ts'
import { discardWork } from '../discard.ts'
import { greet } from './greet.ts'
import type { NodeContext, NodeHandler } from './handler.ts'

const LOOK_MS = 30_000

export const held: NodeHandler = async (ctx, node) => {
  const { engine, unsaved, workspaces, now, signal } = ctx
  const isLate = node.deadlineAt !== null && now >= node.deadlineAt
  const isReplaced = unsaved > 0 && (await engine.agents.of(node, signal).then(never, wasReplaced))
  // It came back without its state: what was to be saved is gone, and the greeting says so to everybody.
  if (isReplaced) return { ...(await greet(ctx, node)), ms: 0 }
  if (unsaved > 0 && !isLate) {
    const ms = Math.min(LOOK_MS, (node.deadlineAt ?? Infinity) - now)
    return { ms, waitingFor: `the work of ${unsaved} tasks on it to be saved` }
  }
  if (unsaved > 0) {
    const hours = Math.round(engine.config.nodes.heldMax / 3_600_000)
    await engine.store.commit(() =>
      discardWork(engine, node.name, `it could not be saved within held_max (${hours} h)`),
    )
  }
  // Found without a row of ours: the sweep looks what is on it, and lets it go.
  if (node.facts.adopted) return { ms: LOOK_MS, waitingFor: 'what is on it to be saved: it was found without an owner' }
  if (!node.autoProvisioned) return { status: 'ready', ms: 0, deadlineAt: null, waitingFor: null }
  // Nobody is left to tidy up on it, nothing that lives has work there, and its time is over.
  if (isLate && isSilent(ctx, node) && unsavedAttemptsOn(engine.store.sql, node.name) === 0) {
    return { status: 'destroying', ms: 0, deadlineAt: null, waitingFor: 'the provider to remove it' }
  }
  const waitingFor = workspaces > 0 ? `${workspaces} workspaces to be removed` : null
  return { status: 'draining', ms: 0, deadlineAt: null, waitingFor }
}

/** While we did not listen, nobody could be heard. */
const isSilent = ({ now, heartbeat, engine }: NodeContext, { createdAt }: ReadNode) =>
  now - Math.max(heartbeat?.at ?? createdAt, engine.loop.epochAt()) >= engine.config.nodes.lostAfter

const never = () => false
const wasReplaced = (error: unknown) => asTdfError(error).code === 'NODE_REPLACED'
