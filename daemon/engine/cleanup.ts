/**
 * Undoes what an attempt made outside, item by item. Each is confirmed by the node, recorded on its own, and may be
 * done any number of times: by the cleanup step, by the sweep, by `rm`.
 */
import type { AgentClient } from '../../src/clients/agent.ts'
import { retryDelayMs } from '../../src/core/backoff.ts'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { isGone } from '../../src/core/node.ts'
import { withOrigins } from '../../src/core/saved.ts'
import type { AttemptKey, Task } from '../../src/core/task.ts'
import type { AgentSession } from '../../src/protocol/agent-api.ts'
import { type ReadTask, readAttempt, updateAttempt } from '../../src/store/tables/attempts.ts'
import { type CleanupItem, cleanupsOf, delayCleanup, setCleanup } from '../../src/store/tables/cleanups.ts'
import { readNode, wakeNode } from '../../src/store/tables/nodes.ts'
import { releaseWorkspace, setWorkspaceStatus } from '../../src/store/tables/slots.ts'
import { type BroughtHome, bringHome } from '../results/bring-home.ts'
import { keepLogs } from '../results/logs.ts'
import type { Engine } from '../services.ts'
import { recordDiscard, settleCleanup } from './effects/discard.ts'
import { followersOfLate } from './effects/release.ts'
import { recordUsage } from './effects/usage.ts'
import { nodeSubject } from './loop.ts'
import { tally, totalOf } from './rules/usage.ts'
import { saveFollowers } from './save.ts'

/** Tries every item of the attempt that is due, in order; answers what is left. */
export async function undo(engine: Engine, key: AttemptKey, signal: AbortSignal): Promise<CleanupItem[]> {
  const { store, world } = engine
  // What comes later in the order needs what comes before: nothing is deleted before it is saved.
  const blocked = new Set<string>()
  const items = cleanupsOf(store.sql, key)
  // Should the database never get what was read, another daemon would go on with what is deleted here.
  await store.settled()
  for (const item of items) {
    if (item.state === 'done' || blocked.has(item.subject)) continue
    const isDone = item.dueAt <= world.clock.now() && (await undoItem(engine, item, signal))
    if (!isDone) blocked.add(item.subject)
  }
  return cleanupsOf(store.sql, key).filter(item => item.state === 'pending')
}

/** True when the item is done; a failure is recorded with its next try and never thrown. */
export async function undoItem(engine: Engine, item: CleanupItem, signal: AbortSignal): Promise<boolean> {
  const { store, world, config } = engine
  try {
    await DO[item.kind](engine, item, signal)
    await store.commit(() => confirm(engine, item))
    return true
  } catch (thrown) {
    if (signal.aborted) throw thrown
    const error = asTdfError(thrown)
    const delayMs = retryDelayMs(item.tries + 1, error, { config, jitter: world.random.float() })
    await store.commit(() => delayCleanup(store.sql, item, world.clock.now() + delayMs, error.message))
    return false
  }
}

const DO: Record<CleanupItem['kind'], (engine: Engine, item: CleanupItem, signal: AbortSignal) => Promise<void>> = {
  salvage: saveLate,
  async stop_workspace(engine, item, signal) {
    const agent = await agentOf(engine, item, signal)
    await agent?.stopWorkspace(item.subject)
  },
  async delete_workspace(engine, item, signal) {
    const agent = await agentOf(engine, item, signal)
    if (!agent) return
    const task = readAttempt(engine.store.sql, item)
    if (task) await keepLogs(engine.results.logs, task, item.subject, agent)
    if (task) await saveUnseen(engine, task, item, agent)
    await agent.deleteWorkspace(item.subject)
  },
}

/**
 * A start that was never answered may have come through after the work was saved. The workspace is stopped now: what is in
 * it does not change any more.
 */
async function saveUnseen(engine: Engine, task: ReadTask, item: CleanupItem, agent: AgentClient): Promise<void> {
  const isOpen = task.error?.step === 'agent_session' && task.sessionId !== null && task.workspaceId === item.subject
  if (!isOpen || (await agent.workspace(item.subject)) === null) return
  const before = task.facts.salvage
  const saved = await bringHome(engine, task, agent)
  const isNew = saved.salvage.commit !== before?.commit || saved.salvage.saved.length !== (before?.saved ?? []).length
  if (isNew) await engine.store.commit(() => fillIn(engine, task, item.nodeName, saved))
}

/** Undefined when the machine is gone for good, and what was on it with it. */
async function agentOf({ store, agents }: Engine, item: CleanupItem, signal: AbortSignal) {
  const node = readNode(store.sql, item.nodeName)
  if (!node || isGone(node)) return undefined
  return agents.of(node, signal)
}

/** Inside a write. */
function confirm(engine: Pick<Engine, 'store' | 'world' | 'loop' | 'placementChanged'>, item: CleanupItem): void {
  const { store, world, loop } = engine
  const now = world.clock.now()
  setCleanup(store.sql, item, 'done')
  settleCleanup(engine, item)
  if (item.kind === 'stop_workspace') setWorkspaceStatus(store.sql, item.subject, 'stopped')
  if (item.kind !== 'delete_workspace' || !releaseWorkspace(store.sql, item.subject, now)) return
  engine.placementChanged()
  if (wakeNode(store.sql, item.nodeName, now)) store.afterCommit(() => loop.schedule(nodeSubject(item.nodeName), now))
}

/** Throws while the work is not home. A workspace that is gone for good has nothing left to save. */
export async function saveLate(engine: Engine, item: CleanupItem, signal: AbortSignal): Promise<void> {
  const { store, agents } = engine
  const task = readAttempt(store.sql, item)
  const node = readNode(store.sql, item.nodeName)
  if (!task) return
  if (!node || isGone(node)) return settleForCheckpoint(engine, task)
  const agent = await agents.of(node, signal)
  if ((await agent.workspace(item.subject)) === null) return settleForCheckpoint(engine, task)
  const session = task.sessionId === null ? null : await agent.session(item.subject, task.sessionId)
  if (session?.status === 'running' && task.sessionId !== null) {
    await agent.cancelSession(item.subject, task.sessionId)
    throw new TdfError('AGENT_BUSY', 'the agent is being ended', { retryAfterMs: 2_000 })
  }
  const saved = await bringHome(engine, { ...task, workspaceId: item.subject }, agent)
  await store.commit(() => fillIn(engine, task, node.name, saved, session))
  const { missing } = saved
  if (missing.length === 0) return
  const what = missing.slice(0, NAMED_MAX).join(', ') + (missing.length > NAMED_MAX ? ', …' : '')
  const endsAt = (task.completedAt ?? Number.POSITIVE_INFINITY) + engine.config.nodes.heldMax
  if (engine.world.clock.now() < endsAt) {
    throw new TdfError('SALVAGE_FAILED', `not all of it can be read: ${what}`)
  }
  await store.commit(() => recordDiscard(engine, item, `it could not be read within held_max: ${what}`))
}

/** What was saved while the agent ran is the result, now that nothing better can come. Throws what passes: it is tried again. */
async function settleForCheckpoint({ store, results, world }: Engine, task: ReadTask): Promise<void> {
  if (task.result !== null || task.sessionId === null) return
  const salvage = await results.takeCheckpoint(task).catch(error => {
    if (asTdfError(error).class === 'permanent') return null
    throw error
  })
  if (salvage === null) return
  const result = await results.describe(task, salvage)
  await store.commit(() => {
    const [seen, now] = [readAttempt(store.sql, task), world.clock.now()]
    if (!seen || seen.result !== null) return
    updateAttempt(store.sql, seen, { ...seen, result, facts: { ...seen.facts, salvage }, updatedAt: now }, now)
  })
}

const NAMED_MAX = 5

/** Inside a write: the attempt is over, and what it did is here now. */
export function fillIn(
  engine: Engine,
  key: AttemptKey,
  nodeName: string,
  { salvage, result, missing }: BroughtHome,
  session: AgentSession | null = null,
): void {
  const { store, world } = engine
  const now = world.clock.now()
  const seen = readAttempt(store.sql, key)
  if (!seen) return
  const files = salvage.files ? { files: withOrigins(salvage.files, seen.facts.salvage?.files) } : {}
  const facts = { ...seen.facts, salvage: { ...salvage, ...files }, saved: true, held: false, kept: missing.length > 0 }
  // What was judged stays as it was judged: what could be read since then stands beside it.
  const shown = seen.facts.kept && seen.result ? seen.result : result
  const error = missing.length > 0 ? seen.error : cameAfterAll(seen)
  // It went on until now, perhaps for long after the last look at it.
  const usages = session ? tally(seen, session, engine.config.agents[seen.spec.agent.name]) : seen.facts.usages
  const usage = (usages && totalOf(seen, usages)) ?? seen.usage
  const known = usages ? { ...facts, usages } : facts
  const filled = { ...seen, facts: known, usage, result: shown, error, updatedAt: now }
  if (updateAttempt(store.sql, seen, filled, now)) {
    recordUsage(store.sql, seen, filled, now)
    saveFollowers(engine, followersOfLate(engine, filled))
  }
  if (missing.length > 0) return
  const about = { taskId: seen.id, attempt: seen.attempt, nodeName }
  engine.store.append({ type: 'task.saved', ...about, data: { commit: salvage.commit, late: true } }, now)
}

/** The attempt ended because its work could not be had, and that is not so any more. */
function cameAfterAll({ id, attempt, nodeName, error }: Task): Task['error'] {
  if (error?.code !== 'SALVAGE_FAILED') return error
  const message = `the work of ${id} came home from ${nodeName} after held_max: it is saved, and was not judged`
  return { ...error, message, hint: `tdf diff ${id}@${attempt}` }
}
