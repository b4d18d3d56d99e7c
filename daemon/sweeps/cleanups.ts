/** What a cleanup step had to leave: tried again, item by item, until it is confirmed. */
import { type AttemptKey, readAttempt, updateAttempt } from '../../src/store/attempts.ts'
import { cleanupsOf, dueCleanups } from '../../src/store/cleanups.ts'
import type { Engine } from '../deps.ts'
import { undo } from '../undo.ts'
import type { Sweep } from './sweep.ts'

const BATCH = 50

export const cleanups: Sweep = {
  name: 'cleanups',
  everyMs: config => Math.min(config.sweeps.interval, 30_000),
  async run(engine, _parts, signal) {
    const { store, world } = engine
    const due = dueCleanups(store.sql, world.clock.now(), BATCH)
    const attempts = new Map(due.map(({ id, attempt }) => [`${id}/${attempt}`, { id, attempt }]))
    let finished = 0
    for (const key of attempts.values()) {
      // A task in its cleanup step does this itself.
      if (readAttempt(store.sql, key)?.step === 'cleanup') continue
      const left = await undo(engine, key, signal)
      if (left.length === 0) finished += 1
      await store.commit(() => settle(engine, key))
    }
    return { finished }
  },
}

/** Inside a write: a cleanup that had failed visibly is done once nothing is left of it. */
function settle({ store, world }: Engine, key: AttemptKey): void {
  const task = readAttempt(store.sql, key)
  if (task?.cleanup !== 'failed' || task.step !== null) return
  if (cleanupsOf(store.sql, key).some(item => item.state === 'pending')) return
  const now = world.clock.now()
  updateAttempt(store.sql, task, { ...task, cleanup: 'done', updatedAt: now }, now)
}
