/**
 * A node that serves. It is alive while its heartbeats come, or while it answers when asked; after `heartbeat_stale` it
 * gets no new work, after `lost_after` it is lost. A provisioned machine without work becomes warm, and a warm one ends.
 */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import type { ReadNode } from '../../src/store/tables/nodes.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { keepsMachines } from '../placement/admission.ts'
import { handshake, pull } from './contact.ts'
import type { NodeContext, NodeHandler, NodeOutcome } from './handler.ts'

export const serving: NodeHandler = async (ctx, node) => {
  const { now, engine } = ctx
  try {
    if (engine.agents.needsHandshake(node.name)) return await reconnect(ctx, node)
    if (isOutdated(ctx, node)) return await upgrade(ctx, node)
    if (!isDueForPull(ctx, node)) return { ...temperature(ctx, node), ms: untilNext(ctx, node) }
    const cursor = await pull(ctx, node)
    const facts = { ...node.facts, pulledAt: now }
    // Asking may have opened a new way there, by which the node does not know yet what to call.
    const ms = engine.agents.needsHandshake(node.name) ? 0 : untilNext(ctx, node)
    return { ...temperature(ctx, node), cursor, facts, ms }
  } catch (thrown) {
    const error = asTdfError(thrown)
    // A full disk or a damaged row of ours says nothing about the node.
    if (!isAboutNode(error)) throw error
    const isCut = error.code === 'NODE_UNREACHABLE' || error.code === 'NODE_REPLACED'
    if (!isCut) return silent(ctx, node, error)
    return reconnect(ctx, node).catch(again => silent(ctx, node, failureOf(again, error)))
  }
}

/**
 * A warm machine goes when its time is over, not when it is next listened to. One that was warm and is drained has other
 * reasons to stay, and that time is no wake of its own.
 */
function untilNext({ now, engine }: NodeContext, { status, warmUntil }: ReadNode): number {
  const { heartbeatInterval } = engine.config.nodes
  if (status !== 'warm' || warmUntil === null || keepsMachines(engine)) return heartbeatInterval
  return Math.max(Math.min(heartbeatInterval, warmUntil - now), 0)
}

/** After a new greeting the outbox is read soon, but never without a pause: what failed may fail again. */
const GREETED_MS = 250

/**
 * Asked when it is quiet or we have just begun to look; with work on it, every `reconcile_interval` all the same. A time
 * that lies ahead was noted by a clock that has been set back since: it says nothing.
 */
function isDueForPull(ctx: NodeContext, node: ReadNode): boolean {
  const { now, engine, workspaces } = ctx
  if (Math.max(heardAtOf(ctx, node), node.facts.pulledAt ?? 0) > now) return true
  const heardAt = heardAtOf(ctx, node)
  const isQuiet = now - heardAt > engine.config.nodes.heartbeatInterval * 1.5
  const pulledAt = node.facts.pulledAt ?? 0
  const isBehind = workspaces > 0 && now - pulledAt >= engine.config.runner.reconcileInterval
  return isQuiet || isBehind || pulledAt < engine.loop.epochAt()
}

const heardAtOf = ({ heartbeat }: NodeContext, node: ReadNode) => Math.max(heartbeat?.at ?? 0, node.readyAt ?? 0)

/**
 * Its agent may have been restarted, or came back without its state, or ended with the machine: ask the provider and
 * greet it anew. What an agent without its state cannot know any more is lost by that greeting.
 */
async function reconnect(ctx: NodeContext, node: ReadNode): Promise<NodeOutcome> {
  const { engine, signal } = ctx
  engine.agents.forget(node.name)
  const machine = await engine.providers[node.provider]?.find(node, signal)
  if (machine?.state === 'gone') return gone(node)
  if (machine?.state !== 'up') {
    throw new TdfError('NODE_UNREACHABLE', `node ${node.name}: ${machine?.why ?? 'no provider'}`)
  }
  return { ...(await handshake(ctx, node)), waitingFor: null, ms: GREETED_MS }
}

/** Between two tasks, a node that tdf installs its agent on gets the one that belongs to this daemon. */
function isOutdated({ engine, workspaces, reservations }: NodeContext, node: ReadNode): boolean {
  const isIdle = workspaces === 0 && reservations === 0
  return isIdle && engine.providers[node.provider]?.isOutdated?.(node) === true
}

async function upgrade(ctx: NodeContext, node: ReadNode): Promise<NodeOutcome> {
  ctx.engine.providers[node.provider]?.hangUp?.(node)
  return reconnect(ctx, node)
}

/** What is in the way of a new connection says more than that the old one is gone. */
function failureOf(again: unknown, first: TdfError): TdfError {
  if (!(again instanceof TdfError)) throw again
  return isAboutNode(again) ? again : first
}

const isAboutNode = ({ code }: TdfError) => /^(NODE|AGENT)_/.test(code)

/** The provider says that there is no such machine: nothing will ever answer for it. */
function gone(node: ReadNode): NodeOutcome {
  const facts = { ...node.facts, error: 'its machine is gone' }
  return { status: 'lost', ms: 0, facts, waitingFor: nodeWaits.disappearance() }
}

function silent(ctx: NodeContext, node: ReadNode, error: TdfError): NodeOutcome {
  const { engine, now } = ctx
  const { heartbeatInterval, lostAfter } = engine.config.nodes
  const silentMs = now - Math.max(heardAtOf(ctx, node), engine.loop.epochAt())
  if (silentMs >= lostAfter) {
    const facts = { ...node.facts, error: error.message }
    return { status: 'lost', ms: 0, facts, waitingFor: nodeWaits.return(error.message) }
  }
  const waitingFor = nodeWaits.answer(silentMs, error.message)
  return { ms: Math.min(heartbeatInterval, lostAfter - silentMs), waitingFor }
}

/** Ours to destroy and without work: warm until its time is over. Everything else just serves, as does one that was found without an owner until what is on it is saved. */
function temperature(ctx: NodeContext, node: ReadNode): Partial<NodeOutcome> {
  const { now, workspaces, reservations } = ctx
  const isIdle = workspaces === 0 && reservations === 0
  if (!node.autoProvisioned || node.facts.adopted || keepsMachines(ctx.engine)) return { waitingFor: null }
  if (node.status === 'ready' && isIdle) {
    return { status: 'warm', warmUntil: goesAt(ctx, node), waitingFor: null }
  }
  if (node.status === 'warm' && !isIdle) return { status: 'ready', warmUntil: null, waitingFor: null }
  if (node.status === 'warm' && node.warmUntil !== null && now >= node.warmUntil) {
    return { status: 'destroying', waitingFor: nodeWaits.removal() }
  }
  return { waitingFor: null }
}

function goesAt({ engine, now }: NodeContext, { facts, provider }: ReadNode): number {
  const at = now + engine.config.nodes.warmTimeout
  const keeps = provider === 'hetzner' && engine.config.providers.hetzner.keepPaidHour
  return keeps && facts.billedFrom !== undefined ? lastPaidMoment(facts.billedFrom, at) : at
}

/** Takes no new work. When the last of its work is done, a machine of ours is destroyed; yours just stays drained. */

export const draining: NodeHandler = async (ctx, node) => {
  const mayGo = !node.facts.adopted && !keepsMachines(ctx.engine)
  const isEmpty = mayGo && ctx.workspaces === 0 && ctx.reservations === 0 && ctx.unsaved === 0
  if (isEmpty && node.autoProvisioned) return { status: 'destroying', ms: 0, waitingFor: nodeWaits.removal() }
  const { status, waitingFor, ...outcome } = await serving(ctx, node)
  if (status === 'lost') return { ...outcome, status, waitingFor: waitingFor ?? null }
  return { ...outcome, waitingFor: isEmpty ? null : nodeWaits.workspacesEnded(ctx.workspaces) }
}

/** A started hour is paid for whole: a machine that nobody needs stays until shortly before the next would start. */

const HOUR_MS = 3_600_000
/** What it takes to see it removed, with room for a slow answer. */
const MARGIN_MS = 5 * 60_000

/** When a machine whose hours count from `billedFrom` should go that would go at `at`. Never earlier, and never for more. */
export function lastPaidMoment(billedFrom: number, at: number): number {
  const hours = Math.ceil((at - billedFrom) / HOUR_MS)
  return Math.max(at, billedFrom + hours * HOUR_MS - MARGIN_MS)
}
