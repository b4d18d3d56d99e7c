/** What a cleanup step had to leave: tried again, item by item, until it is confirmed. */
import { readAttempt, updateAttempt } from '../../src/store/attempts.ts'
import { cleanupsOf, dueCleanups } from '../../src/store/cleanups.ts'
import type { Engine } from '../deps.ts'
import { undo } from '../undo.ts'
import type { Sweep } from './index.ts'

const BATCH = 50

export const retryCleanups: Sweep = async (engine, _parts, signal) => {
  const { store, world } = engine
  const due = dueCleanups(store.sql, world.clock.now(), BATCH)
  const attempts = new Map(due.map(item => [`${item.id}/${item.attempt}`, { id: item.id, attempt: item.attempt }]))
  let finished = 0
  for (const key of attempts.values()) {
    const task = readAttempt(store.sql, key)
    // A task that is still on its way does its own cleaning up; only placements that it lost are for us.
    if (task?.step === 'cleanup') continue
    const left = await undo(engine, key, signal)
    if (left.length === 0) finished += 1
    await store.commit(() => settle(engine, key))
  }
  return { finished }
}

/** Inside a write: a cleanup that had failed visibly is done once nothing is left of it. */
function settle({ store, world }: Engine, key: { id: string; attempt: number }): void {
  const task = readAttempt(store.sql, key)
  if (task?.cleanup !== 'failed') return
  if (cleanupsOf(store.sql, key).some(item => item.state === 'pending')) return
  updateAttempt(store.sql, task, { ...task, cleanup: 'done' }, world.clock.now())
}
