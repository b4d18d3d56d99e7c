/** Gives up work that could not be saved: only when its user says so, or after `held_max`. Always on record. */
import { pendingOn, setCleanup } from '../src/store/cleanups.ts'
import { post } from '../src/store/outbox.ts'
import type { Engine } from './deps.ts'
import { settleCleanup } from './undo.ts'

/** Inside a write: the work of every task that is still on the node, with who gave it up and why. Answers how many. */
export function discardWork(engine: Engine, nodeName: string, reason: string): number {
  const { store, world } = engine
  const now = world.clock.now()
  const items = pendingOn(store.sql, nodeName, 'salvage')
  for (const item of items) {
    setCleanup(store.sql, item, 'done', `discarded: ${reason}`)
    settleCleanup(engine, item)
    const about = { taskId: item.id, attempt: item.attempt, nodeName }
    engine.store.append({ type: 'task.work_discarded', ...about, data: { reason, workspace: item.subject } }, now)
    const message = `the work of ${item.id} (attempt ${item.attempt}) on ${nodeName} was given up: ${reason}`
    const row = {
      at: now,
      level: 'error',
      source: 'salvage',
      taskId: item.id,
      step: 'salvage',
      code: 'WORK_DISCARDED',
      message,
    }
    post(store.sql, { id: `discard-${item.subject}`, kind: 'error', payload: row, dueAt: now })
  }
  return items.length
}
