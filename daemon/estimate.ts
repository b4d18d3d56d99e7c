/** How long things usually take, from what happened here before. */
import { recentStepMs } from '../src/store/journal.ts'
import type { Sql } from '../src/store/sql.ts'
import type { Step } from '../src/task.ts'

const RECENT = 50
/** Fewer say nothing. */
const ENOUGH = 3

/** The median time of a step in ms, or null while too little is known. */
export function usualMs(sql: Sql, step: Step): number | null {
  const sorted = recentStepMs(sql, step, RECENT).sort((a, b) => a - b)
  return sorted.length < ENOUGH ? null : (sorted[Math.floor(sorted.length / 2)] ?? null)
}

/** When the task at this place of the queue probably gets a slot: as many runs later as stand before it. */
export function queueMs(sql: Sql, position: number, slots: number): number | null {
  const run = usualMs(sql, 'running')
  return run === null || slots === 0 ? null : Math.ceil(position / slots) * run
}
