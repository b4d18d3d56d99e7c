/** Work that is given up, and cleanups of which nothing is left. All inside a write. */
import type { AttemptKey } from '../../../src/core/task.ts'
import { readAttempt, updateAttempt, wakeAttempt } from '../../../src/store/tables/attempts.ts'
import { type CleanupItem, cleanupsOf, pendingOn, setCleanup } from '../../../src/store/tables/cleanups.ts'
import { recordFailure } from '../../reporting/failures.ts'
import type { Engine } from '../../services.ts'
import { taskSubject } from '../loop.ts'

/** A cleanup that had failed visibly is done once nothing is left of it, by the step, the sweep or the user. */
export function settleCleanup({ store, world }: Pick<Engine, 'store' | 'world'>, key: AttemptKey): void {
  const task = readAttempt(store.sql, key)
  if (task?.cleanup !== 'failed' || task.step !== null) return
  if (cleanupsOf(store.sql, key).some(item => item.state === 'pending')) return
  const now = world.clock.now()
  updateAttempt(store.sql, task, { ...task, cleanup: 'done', updatedAt: now }, now)
}

/** The work of every task that is still on the node, with who gave it up and why. Answers how many. */
export function discardWork(engine: Engine, nodeName: string, reason: string): number {
  const { store, world, loop } = engine
  const now = world.clock.now()
  const items = pendingOn(store.sql, nodeName, 'salvage')
  for (const item of items) {
    setCleanup(store.sql, item, 'done', `discarded: ${reason}`)
    settleCleanup(engine, item)
    recordDiscard(engine, item, reason)
    // A task that waits for its work with its verdict learns of it now.
    if (wakeAttempt(store.sql, item, now)) store.afterCommit(() => loop.schedule(taskSubject(item), now))
  }
  return items.length
}

/** In the journal, and among the failures that people look at. */
export function recordDiscard(
  engine: Pick<Engine, 'store' | 'world'>,
  { id, attempt, nodeName, subject }: CleanupItem,
  reason: string,
): void {
  const about = { taskId: id, attempt, nodeName }
  const data = { reason, workspace: subject }
  engine.store.append({ type: 'task.work_discarded', ...about, data }, engine.world.clock.now())
  const message = `the work of ${id} (attempt ${attempt}) on ${nodeName} was given up: ${reason}`
  const failure = { source: 'salvage', taskId: id, step: 'salvage', code: 'WORK_DISCARDED', message } as const
  recordFailure(engine, { id: `discard-${subject}`, ...failure })
}
