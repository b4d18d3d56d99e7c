/** Holds the model of the dashboard. Changes are there at once; listeners are called at most ten times a second. */
import type { Clock } from '../platform/world.ts'
import type { Action, FeedAction, ViewAction } from './state/actions.ts'
import type { Model } from './state/model.ts'
import { feed } from './state/reduce-feed.ts'
import { view } from './state/reduce-view.ts'

const PAINT_MS = 100

export interface Store {
  get(): Model
  dispatch(action: Action): void
  /** Calls the listeners now, since a key was pressed. */
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

type Reducer<A> = (model: Model, action: A) => Model

/** The next model, from the one before and what happened. Pure. */
export function reduce(model: Model, action: Action): Model {
  // Each row of a table takes the action of its own kind, which the compiler cannot see from here.
  if (action.kind in feed) return (feed[action.kind as FeedAction['kind']] as Reducer<Action>)(model, action)
  return (view[action.kind as ViewAction['kind']] as Reducer<Action>)(model, action)
}
