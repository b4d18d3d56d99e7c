/** The tasks that wait for a slot, in the order in which they get one: by priority, then age. Rebuilt at start. */
import type { AttemptKey } from '../../src/store/tables/attempts.ts'
import { taskSubject } from '../engine/loop.ts'
import type { Wish } from './place.ts'

export interface Queue {
  add(wish: Wish): void
  remove(key: AttemptKey): void
  /** In order; do not change it. */
  list(): readonly Wish[]
  has(key: AttemptKey): boolean
}

export function createQueue(): Queue {
  const members = new Map<string, Wish>()
  let sorted: Wish[] | null = []

  return {
    add(wish) {
      const before = members.has(taskSubject(wish))
      members.set(taskSubject(wish), wish)
      const last = sorted?.at(-1)
      // The usual newcomer goes to the end; anything else sorts again when somebody reads.
      if (before || !sorted || (last && inOrder(last, wish) > 0)) sorted = null
      else sorted.push(wish)
    },
    remove(key) {
      if (!members.delete(taskSubject(key))) return
      if (sorted?.[0] && taskSubject(sorted[0]) === taskSubject(key)) sorted.shift()
      else sorted = null
    },
    list() {
      sorted ??= [...members.values()].sort(inOrder)
      return sorted
    },
    has: key => members.has(taskSubject(key)),
  }
}

/** The order in which tasks get their slots. */
export function inOrder(a: Wish, b: Wish): number {
  return b.priority - a.priority || a.number - b.number || a.attempt - b.attempt
}
