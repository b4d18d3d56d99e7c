/**
 * Undoes what an attempt made outside, item by item. Each is confirmed by the node, recorded on its own, and may be
 * done any number of times: by the cleanup step, by the sweep, by `rm`.
 */
import { asTdfError } from '../src/errors.ts'
import { type AttemptKey, readAttempt, updateAttempt } from '../src/store/attempts.ts'
import { type CleanupItem, cleanupsOf, delayCleanup, setCleanup } from '../src/store/cleanups.ts'
import { readNode, wakeNode } from '../src/store/nodes.ts'
import { releaseWorkspace, setWorkspaceStatus } from '../src/store/slots.ts'
import { backoffMs } from './decide.ts'
import type { Engine } from './deps.ts'
import { saveLate } from './late-salvage.ts'
import { keepLogs } from './results/keep-logs.ts'
import { nodeSubject } from './subjects.ts'

/** Tries every item of the attempt that is due, in order; answers what is left. */
export async function undo(engine: Engine, key: AttemptKey, signal: AbortSignal): Promise<CleanupItem[]> {
  const { store, world } = engine
  // What comes later in the order needs what comes before: nothing is deleted before it is saved.
  const blocked = new Set<string>()
  for (const item of cleanupsOf(store.sql, key)) {
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
    const delayMs = backoffMs(item.tries + 1, error, { config, dice: world.random.float() })
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
    await agent.deleteWorkspace(item.subject)
  },
}

/** Undefined when the machine is gone for good, and what was on it with it. */
async function agentOf({ store, agents }: Engine, item: CleanupItem, signal: AbortSignal) {
  const node = readNode(store.sql, item.nodeName)
  if (!node || node.status === 'destroyed') return undefined
  return agents.of(node, signal)
}

/** Inside a write: a cleanup that had failed visibly is done once nothing is left of it, whoever did the rest. */
export function settleCleanup({ store, world }: Pick<Engine, 'store' | 'world'>, key: AttemptKey): void {
  const task = readAttempt(store.sql, key)
  if (task?.cleanup !== 'failed' || task.step !== null) return
  if (cleanupsOf(store.sql, key).some(item => item.state === 'pending')) return
  const now = world.clock.now()
  updateAttempt(store.sql, task, { ...task, cleanup: 'done', updatedAt: now }, now)
}

/** Inside a write. */
function confirm(engine: Engine, item: CleanupItem): void {
  const { store, world, loop } = engine
  const now = world.clock.now()
  setCleanup(store.sql, item, 'done')
  settleCleanup(engine, item)
  if (item.kind === 'stop_workspace') setWorkspaceStatus(store.sql, item.subject, 'stopped')
  if (item.kind !== 'delete_workspace' || !releaseWorkspace(store.sql, item.subject, now)) return
  engine.placementChanged()
  if (wakeNode(store.sql, item.nodeName, now)) store.afterCommit(() => loop.schedule(nodeSubject(item.nodeName), now))
}
