/** Holds the model. What changes is there at once; who draws is told at most ten times a second. */
import type { Clock } from '../platform/world.ts'
import type { Action } from './state/actions.ts'
import type { Model } from './state/model.ts'
import { reduce } from './state/reduce.ts'

const PAINT_MS = 100

export interface Store {
  get(): Model
  dispatch(action: Action): void
  /** Tells who draws now: somebody pressed a key. */
  flush(): void
  subscribe(listener: () => void): () => void
}

export function createStore(first: Model, clock: Clock): Store {
  let model = first
  let isDirty = false
  let paintedAt = Number.NEGATIVE_INFINITY
  let isWaiting = false
  const listeners = new Set<() => void>()

  function flush(): void {
    isWaiting = false
    if (!isDirty) return
    isDirty = false
    paintedAt = clock.mono()
    for (const listener of listeners) listener()
  }

  return {
    get: () => model,
    flush,
    dispatch(action) {
      const next = reduce(model, action)
      if (next === model) return
      model = next
      isDirty = true
      if (isWaiting) return
      isWaiting = true
      clock.timer(Math.max(paintedAt + PAINT_MS - clock.mono(), 0), flush)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
