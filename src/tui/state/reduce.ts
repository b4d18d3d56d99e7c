/** The next model: pure, from the one before and what happened. */
import type { Action, FeedAction, ViewAction } from './actions.ts'
import type { Model } from './model.ts'
import { feed } from './reduce-feed.ts'
import { view } from './reduce-view.ts'

type Reducer<A> = (model: Model, action: A) => Model

export function reduce(model: Model, action: Action): Model {
  // Each row of a table takes the action of its own kind, which the compiler cannot see from here.
  if (action.kind in feed) return (feed[action.kind as FeedAction['kind']] as Reducer<Action>)(model, action)
  return (view[action.kind as ViewAction['kind']] as Reducer<Action>)(model, action)
}
