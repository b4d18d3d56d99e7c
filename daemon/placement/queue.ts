/** The tasks that wait for a slot, in the order in which they get one: by priority, then age. Rebuilt at start. */
import type { AttemptKey } from '../../src/core/task.ts'
import { taskSubject } from '../engine/loop.ts'
import type { PlacementRequest } from './place.ts'

export interface Queue {
  add(request: PlacementRequest): void
  remove(key: AttemptKey): void
  /** In order; do not change it. */
  list(): readonly PlacementRequest[]
  has(key: AttemptKey): boolean
}

export function createQueue(): Queue {
  const members = new Map<string, PlacementRequest>()
  let sorted: PlacementRequest[] | null = []

  return {
    add(request) {
      const before = members.has(taskSubject(request))
      members.set(taskSubject(request), request)
      const last = sorted?.at(-1)
      // Mostly a new task goes to the end; anything else makes the next reader sort.
      if (before || !sorted || (last && inOrder(last, request) > 0)) sorted = null
      else sorted.push(request)
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
export function inOrder(a: PlacementRequest, b: PlacementRequest): number {
  return b.priority - a.priority || a.number - b.number || a.attempt - b.attempt
}
