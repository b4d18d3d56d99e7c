/** How many tasks there are of each group of the header, counted on as rows change: a busy list has thousands. */
import type { Row } from './model.ts'
import { GROUPS } from './states.ts'

/** In the order of `GROUPS`. */
export type Tally = readonly number[]

export const EMPTY_TALLY: Tally = GROUPS.map(() => 0)

/** One row as it was and as it is; undefined where there was none, or is none any more. */
export type RowChange = readonly [before: Row | undefined, after: Row | undefined]

export function tallied(tally: Tally, changes: readonly RowChange[]): Tally {
  const next = [...tally]
  const add = (row: Row | undefined, by: number) => {
    const group = row ? GROUPS.findIndex(({ fits }) => fits(row.task)) : -1
    if (group >= 0) next[group] = (next[group] ?? 0) + by
  }
  for (const [before, after] of changes) {
    if (before === after) continue
    add(before, -1)
    add(after, 1)
  }
  return next
}
