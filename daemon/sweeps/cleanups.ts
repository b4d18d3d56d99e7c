/** What a cleanup step had to leave: tried again, item by item, until it is confirmed. */
import { readAttempt } from '../../src/store/attempts.ts'
import { dueCleanups } from '../../src/store/cleanups.ts'
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
    }
    return { finished }
  },
}
