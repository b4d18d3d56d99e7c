/** The steps before a task is placed, each of which waits for its node; and what later steps read from the node's state. */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { awaitedBy, awaitsSource } from '../../src/core/facts.ts'
import { canPlace, hasMachine, isOrdered, isServing, type Node } from '../../src/core/node.ts'
import type { Task } from '../../src/core/task.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { baseFacts, HELD_LOOK_MS } from '../engine/rules/after.ts'
import { isAllowance, restPaused } from '../engine/rules/budgets.ts'
import { chooseNext, offersOf } from '../engine/rules/handing-over.ts'
import { advance, fail, type Outcome, wait } from '../engine/rules/outcome.ts'
import type { StepContext, StepHandler } from './step.ts'

/**
 * Waits for a slot. The placement pass reserves it (daemon/placement/place.ts) and wakes the task, so ten thousand waiting
 * tasks cost nothing. Why a task waits is worked out when it is asked for.
 */
export const nodeSelection: StepHandler<'workspace_creation' | 'node_provisioning'> = async (ctx, task) => {
  const awaited = awaitedBy(task)
  if (awaited === 'base') return baseMade(ctx, task)
  if (awaited !== null) return wait(HELD_LOOK_MS, task.waitingFor ?? taskWaits.predecessors([]))
  if (awaitsSource(task)) return sourceFetched(ctx, task)
  if (task.status === 'parked') {
    if (task.facts.paused) return restPaused(ctx, task)
    const choice = chooseNext(task, offersOf(ctx))
    const until = Math.max(task.parkedUntil ?? 0, choice?.at ?? 0)
    const why = taskWaits.usageLimit((choice?.agent ?? task.spec.agent).name)
    return ctx.now < until ? wait(until - ctx.now, why, { parkedUntil: until }) : { kind: 'queue' }
  }
  const node = ctx.node(ctx.reservedNode)
  const allowed = node ? [] : ctx.signals.filter(isAllowance)
  if (allowed.length > 0 && ctx.budgetHold(task, 0)) {
    return { kind: 'queue', uses: allowed.map(({ id }) => id), grants: true }
  }
  const isLate = task.deadlineAt !== null && ctx.now >= task.deadlineAt
  const held = !node && isLate ? ctx.budgetHold(task, 0) : null
  // A month is longer than any queue: a budget fails nobody.
  if (held) return wait(ctx.config.runner.queueTimeout, held.why, { deadlineMs: ctx.config.runner.queueTimeout })
  if (!node) return wait(ctx.config.runner.queueTimeout, taskWaits.slot(), { looked: hasLooked(ctx) })
  return advance(isServing(node) ? 'workspace_creation' : 'node_provisioning')
}

/** The work of its predecessors as one commit. What git cannot merge is named, and the task waits for newer work of one of them. */
async function baseMade(ctx: StepContext, task: Task): Promise<Outcome<never>> {
  const base = await ctx.results.base(task, ctx.workBefore)
  if (base.kind === 'clean') return { kind: 'release', base: baseFacts(base.ref, base.commit) }
  return { kind: 'block', blocked: { by: base.of, attempt: task.attempt, files: base.files } }
}

/** Whether there was time to find a slot, or to reach a server, since time began to count. */
const hasLooked = ({ now, epochAt, config }: StepContext) => now >= epochAt + config.nodes.lostAfter

/** It is woken when the fetch has ended; the wait is for a wake that was lost. */
const SOURCE_POLL_MS = 30_000

/** No slot is asked for and no machine ordered before the repository is here: a refusal costs nothing then. */
async function sourceFetched(ctx: StepContext, task: Task) {
  const { url } = task.spec.repo
  const { stepAttempt: tries, stepEnteredAt: since, deadlineAt } = task
  try {
    const source = ctx.sources.fetched(task)
    // At the end of its time it ends by what it met before, not by its place in a queue.
    const isLate = deadlineAt !== null && ctx.now >= deadlineAt && hasLooked(ctx)
    if (source === null && isLate && tries > 1) throw lastFailure(task)
    const why = tries > 1 ? taskWaits.sourceAgain(url, tries, since) : taskWaits.source(url)
    if (source === null) return wait(SOURCE_POLL_MS, why, { looked: hasLooked(ctx) })
    return wait(ctx.config.runner.queueTimeout, taskWaits.slot(), { looked: false, facts: { source } })
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.code === 'SOURCE_DENIED') return fail(error, 'permission_denied')
    throw error
  }
}

const lastFailure = ({ waitingFor, spec: { repo } }: Task) =>
  new TdfError('SOURCE_UNAVAILABLE', `${repo.url} was not to be had in time; it waited for ${waitingFor}`)

/** Waits for the machine it is reserved on. The node's own journey talks to the provider and wakes this task. */
export const nodeProvisioning: StepHandler<'node_agent_ready' | 'node_selection'> = async (ctx, task) => {
  const node = ctx.node(ctx.reservedNode)
  if (!node || !canPlace(node)) return advance('node_selection')
  if (!isOrdered(node)) return advance('node_agent_ready')
  const { provisionPollInterval, queueTimeout } = ctx.config.runner
  const why = node.waitingFor ?? taskWaits.nodeCreated(node.name)
  // Without a machine there is nothing that could be late: room, quota and tokens are waited for as long as a slot.
  const queueEndsAt = (task.facts.releasedAt ?? task.createdAt) + queueTimeout
  if (node.deadlineAt === null && ctx.now >= queueEndsAt) {
    return fail(new TdfError('QUEUE_TIMEOUT', `no machine was to be had: ${why}`), 'timeout')
  }
  const looked = isLookedAt(ctx, node)
  return wait(provisionPollInterval, why, { looked, deadlineMs: (node.deadlineAt ?? queueEndsAt) - ctx.now })
}

/** Whether the node's own journey has looked since time began to count: its machine may be up since nothing could be asked. */
const isLookedAt = ({ epochAt }: StepContext, { updatedAt }: Node) => updatedAt >= epochAt

/** Waits until the node's agent has proved who it is; the node's journey asks it and wakes this task. */
export const nodeAgentReady: StepHandler<'workspace_creation' | 'node_selection'> = async ctx => {
  const node = ctx.node(ctx.reservedNode)
  if (node && isServing(node)) return advance('workspace_creation')
  if (!node || !canPlace(node)) return advance('node_selection')
  const why = node.waitingFor ?? taskWaits.nodeAgent(node.name)
  return wait(ctx.config.runner.agentPollInterval, why, { looked: isLookedAt(ctx, node) })
}

/** The node of a placed task is gone: given up by its own journey, removed, or back without what ran on it. */
export function isLost(ctx: StepContext, task: Task): boolean {
  const node = ctx.node(task.nodeName)
  return !node || !hasMachine(node) || ctx.workspaceStatus === 'lost'
}

/** The end of an attempt whose machine went away under it. */
export function nodeLost(ctx: StepContext, task: Task) {
  const node = ctx.node(task.nodeName)
  const why = node?.facts.error ? `: ${node.facts.error}` : ''
  return fail(new TdfError('NODE_LOST', `node ${task.nodeName} was lost during ${task.step}${why}`), 'infrastructure')
}
