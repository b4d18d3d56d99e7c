/** Which keys there are where one is. */
import { BINDINGS } from './bindings.ts'
import type { Deed } from './deeds.ts'
import type { Model } from './model.ts'

export type Place = 'tasks' | 'nodes' | 'events' | 'task'

export interface Binding {
  keys: readonly string[]
  /** The keys as help writes them. */
  label: string
  says: string
  /** In the footer, where there is room. */
  short?: string
  /** There also where there is hardly any room. */
  isVital?: boolean
  places: readonly Place[]
  /** Changes something outside: not with --read-only. */
  changes?: boolean
  does(model: Model): readonly Deed[]
}

export function placeOf({ view, isOpen }: Model): Place {
  return isOpen ? 'task' : view
}

export function bindingsOf(model: Model): readonly Binding[] {
  const place = placeOf(model)
  return BINDINGS.filter(({ places, changes }) => places.includes(place) && !(changes && model.isReadOnly))
}
