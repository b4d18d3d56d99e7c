/**
 * The life of a machine, one handler a status. A task never talks to a provider; it waits for its node.
 *
 *             no task needs it any more, or it cannot be made
 *          ┌──────────┬───────────┐   its agent was never ready
 *          │          │           │
 *   ordered ─▶ creating ─▶ booting ─▶ ready ◀──▶ warm ──▶ destroying ──▶ destroyed
 *                                      │ ▲ no work │ its time is over        ▲
 *                            tdf drain │ │         │                        │
 *                                      ▼ │         ▼                        │
 *                                    draining ── without work ──────────────┤
 *                                                                           │
 *   held   work on it is not saved: takes none, and waits for the salvage ──┤ saved, given up, or held_max
 *   lost   it does not answer, or its provider has no such machine ─────────┘ unless it answers again
 *
 * A static or local node is ready, draining, held or lost, and is never destroyed. What follows from an answer is decided
 * in rules/; a handler looks at the outside, changes it at most once, and says what happened.
 */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import type { Node, NodeStatus } from '../../src/core/node.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import type { NodeContext } from './node-context.ts'
import { isUnwanted } from './rules/coming.ts'
import { isAboutNode } from './rules/next.ts'
import type { NodeOutcome } from './rules/outcome.ts'
import { isDrained, isDueForPull, mayUpgrade } from './rules/serving.ts'

export type NodeHandler = (ctx: NodeContext, node: Node) => Promise<NodeOutcome>

const nothing: NodeHandler = async () => ({ kind: 'nothing' })

/** Asks the provider for the machine, or finds the one that was asked for before: its name is the key. */
const creating: NodeHandler = async (ctx, node) => {
  const { provider, signal } = ctx
  if (isUnwanted(node, ctx)) return { kind: 'nothing' }
  if (!provider) return { kind: 'wait', why: nodeWaits.provider(node.provider) }
  return { kind: 'machine', machine: await provider.ensure(node, signal, ctx.mayVary()) }
}

const booting: NodeHandler = ({ handshake }, node) => handshake(node)

const serving: NodeHandler = async (ctx, node) => {
  const { agents, provider } = ctx
  try {
    if (agents.needsHandshake(node.name)) return await reconnect(ctx, node)
    if (mayUpgrade(ctx) && provider?.isOutdated?.(node)) {
      provider.hangUp?.(node)
      return await reconnect(ctx, node)
    }
    if (!isDueForPull(node, ctx)) return { kind: 'nothing' }
    const cursor = await ctx.pull(node)
    return { kind: 'pulled', at: ctx.now, cursor, needsHandshake: agents.needsHandshake(node.name) }
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.code !== 'NODE_UNREACHABLE' && error.code !== 'NODE_REPLACED') throw error
    return reconnect(ctx, node).catch(again => {
      // Why a new connection failed says more than that the old one is gone.
      throw again instanceof TdfError && !isAboutNode(again) ? error : again
    })
  }
}

/**
 * The agent may have been restarted, came back without its state, or ended with the machine: the provider is asked, and
 * the handshake is done anew. It settles what an agent without its state cannot know any more.
 */
async function reconnect({ agents, provider, signal, handshake }: NodeContext, node: Node): Promise<NodeOutcome> {
  agents.forget(node.name)
  const machine = await provider?.find(node, signal)
  if (machine?.state === 'gone') return { kind: 'gone' }
  if (machine?.state === 'up') return handshake(node)
  throw new TdfError('NODE_UNREACHABLE', `node ${node.name}: ${machine?.why ?? 'its provider is not enabled'}`)
}

const draining: NodeHandler = async (ctx, node) => (isDrained(node, ctx) ? { kind: 'nothing' } : serving(ctx, node))

/** The sweep saves its work; an agent that came back without its state has none, and the handshake says so. */
const held: NodeHandler = async ({ unsaved, agents, signal, handshake }, node) => {
  const error = unsaved > 0 ? await agents.of(node, signal).then(() => null, asTdfError) : null
  return error?.code === 'NODE_REPLACED' ? handshake(node) : { kind: 'nothing' }
}

const lost: NodeHandler = async ({ provider, signal, handshake }, node) => {
  const machine = await provider?.find(node, signal)
  return machine?.state === 'gone' ? { kind: 'gone' } : handshake(node)
}

const destroying: NodeHandler = async ({ unsaved, provider, signal, agents }, node) => {
  if (unsaved > 0) return { kind: 'nothing' }
  const isGone = (await provider?.destroy(node, signal)) ?? true
  agents.forget(node.name)
  return { kind: 'removed', isGone }
}

export const nodeJourney: Readonly<Record<NodeStatus, NodeHandler>> = {
  ordered: nothing,
  creating,
  booting,
  ready: serving,
  warm: serving,
  draining,
  held,
  lost,
  destroying,
  failed: nothing,
  destroyed: nothing,
}
