/** The short list: what is live, and what ended not long ago. */
import type { ReadTask } from '../src/store/attempts.ts'
import { listTasks } from '../src/store/tasks.ts'
import type { Engine } from './deps.ts'

/** How long an ended task stays in it, in ms. */
const RECENT_MS = 24 * 3_600_000
const LIST_MAX = 10_000

export function recentTasks({ store, world }: Pick<Engine, 'store' | 'world'>): ReadTask[] {
  return listTasks(store.sql, { endedAfter: world.clock.now() - RECENT_MS, limit: LIST_MAX })
}
