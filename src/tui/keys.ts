/** Which keys there are where one is. */
import { KEY_NAMES, KEY_TABLE, type Place } from '../key-names.ts'
import { DOINGS, type Doing } from './bindings.ts'
import type { Model } from './model.ts'

export interface Binding extends Doing {
  keys: readonly string[]
  /** The keys as help writes them. */
  label: string
  says: string
}

export function placeOf({ view, isOpen }: Model): Place {
  return isOpen ? 'task' : view
}

/** A name without a key does nothing, and is not told of. */
export function bindingsOf(model: Model): readonly Binding[] {
  const place = placeOf(model)
  return KEY_NAMES.flatMap((name): Binding[] => {
    const { places, says } = KEY_TABLE[name]
    const doing = DOINGS[name]
    const keys = model.keys[name]
    if (keys.length === 0 || !places.includes(place) || (doing.changes && model.isReadOnly)) return []
    return [{ ...doing, keys, says, label: labelOf(keys) }]
  })
}

const ARROWS: Record<string, string> = { up: '↑', down: '↓' }
const WRITTEN: Record<string, string> = { ...ARROWS, pageup: 'PgUp', pagedown: 'PgDn' }

/** The first of them, and an arrow, which everybody looks for. */
function labelOf([first = '', ...rest]: readonly string[]): string {
  const written = WRITTEN[first] ?? first.replace(/^ctrl-/, 'Ctrl-')
  return [written, ...rest.flatMap(key => ARROWS[key] ?? [])].join(' ')
}
