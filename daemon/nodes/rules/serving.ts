/**
 * A node that serves. It is alive while heartbeats come, or while it answers when asked; after `heartbeat_stale` it gets
 * no new work, after `lost_after` it is lost. A provisioned machine without work becomes warm, and a warm one ends.
 */
import type { TdfError } from '../../../src/core/errors.ts'
import type { Node } from '../../../src/core/node.ts'
import { nodeWaits } from '../../../src/text/waiting.ts'
import { heardAtOf, isLost, silentMs } from './heartbeat.ts'
import { destroying, isAboutNode, type Next, retry } from './next.ts'
import type { NodeInput } from './outcome.ts'

const HOUR_MS = 3_600_000
/** What it takes to see the machine removed, with room for a slow answer. */
const REMOVAL_MS = 5 * 60_000

const isIdle = ({ workspaces, reservations }: NodeInput) => workspaces === 0 && reservations === 0
const isEmpty = ({ facts }: Node, input: NodeInput) =>
  !facts.adopted && !input.keepsMachines && isIdle(input) && input.unsaved === 0

/** Drained, and to be destroyed. */
export const isDrained = (node: Node, input: NodeInput): boolean => node.autoProvisioned && isEmpty(node, input)

/** Between two tasks is the time to replace an agent. */
export const mayUpgrade = isIdle

/**
 * The outbox is read when the node is quiet or the daemon has just begun to look, and with work on it every
 * `reconcile_interval` all the same. A time in the future was noted by a clock that was set back since: it says nothing.
 */
export function isDueForPull(node: Node, input: NodeInput): boolean {
  const { now, config, workspaces, epochAt } = input
  const heardAt = heardAtOf(node, input)
  const pulledAt = node.facts.pulledAt ?? 0
  if (node.facts.suspect !== undefined || Math.max(heardAt, pulledAt) > now) return true
  const isQuiet = now - heardAt > config.nodes.heartbeatInterval * 1.5
  const isBehind = workspaces > 0 && now - pulledAt >= config.runner.reconcileInterval
  return isQuiet || isBehind || pulledAt < epochAt
}

/** A machine of ours without work is warm until its time is over. Everything else just serves. */
export function serve(node: Node, input: NodeInput): Next {
  const { now, config, keepsMachines } = input
  const ms = config.nodes.heartbeatInterval
  const goesOn: Next = { ms, waitingFor: null }
  if (node.facts.isUnlisted) return { ms: 0, status: 'draining', waitingFor: nodeWaits.listing(node.name) }
  if (!node.autoProvisioned || node.facts.adopted || keepsMachines) return goesOn
  if (node.status === 'ready' && isIdle(input)) return { ...goesOn, status: 'warm', warmUntil: warmUntil(node, input) }
  if (node.status !== 'warm') return goesOn
  if (!isIdle(input)) return { ...goesOn, status: 'ready', warmUntil: null }
  if (node.warmUntil === null) return goesOn
  if (now >= node.warmUntil) return destroying()
  // A warm machine goes when its time is over, not when it is next heard of.
  return { ...goesOn, ms: Math.min(ms, node.warmUntil - now) }
}

/** When the last of its work is done, a machine of ours is destroyed; a static node just stays drained. */
export function drain(node: Node, input: NodeInput): Next {
  if (isDrained(node, input)) return destroying()
  const standing = node.facts.isUnlisted ? nodeWaits.listing(node.name) : null
  const waitingFor = isEmpty(node, input) ? standing : nodeWaits.workspacesEnded(input.workspaces)
  return { ms: input.config.nodes.heartbeatInterval, waitingFor }
}

export function notAnswering(node: Node, error: TdfError, input: NodeInput): Next {
  if (!isAboutNode(error)) return retry(node, error, input)
  const { heartbeatInterval, lostAfter } = input.config.nodes
  const silentForMs = silentMs(heardAtOf(node, input), input)
  if (isLost(silentForMs, input.config)) {
    const { message } = error
    return { status: 'lost', ms: 0, facts: { error: message }, waitingFor: nodeWaits.return(message) }
  }
  const ms = Math.min(heartbeatInterval, lostAfter - silentForMs)
  if (error.code === 'AGENT_PROTOCOL') return suspected(node, error, input, ms)
  return { ms, waitingFor: nodeWaits.answer(silentForMs, error.message) }
}

/** The answer is not taken: no new work until one is. What runs on the node goes on, and its time may be over. */
function suspected(node: Node, { message }: TdfError, input: NodeInput, ms: number): Next {
  const next = node.status === 'draining' ? drain(node, input) : serve(node, input)
  if (next.status === 'destroying') return next
  return { ...next, ms, waitingFor: nodeWaits.soundAnswer(message), facts: { suspect: message } }
}

function warmUntil({ facts, provider }: Node, { now, config }: NodeInput): number {
  const at = now + config.nodes.warmTimeout
  const keeps = provider === 'hetzner' && config.providers.hetzner.keepPaidHour
  return keeps && facts.billedFrom !== undefined ? lastPaidMoment(facts.billedFrom, at) : at
}

/**
 * When a machine should go that would go at `at`, all in Unix ms: a started hour, counted from `billedFrom`, is paid for
 * whole, so the machine stays until shortly before the next one starts. Never earlier than `at`.
 */
export function lastPaidMoment(billedFrom: number, at: number): number {
  const hours = Math.ceil((at - billedFrom) / HOUR_MS)
  return Math.max(at, billedFrom + hours * HOUR_MS - REMOVAL_MS)
}

export const vanished: Next = {
  status: 'lost',
  ms: 0,
  facts: { error: 'its machine is gone' },
  waitingFor: nodeWaits.disappearance(),
}
