/** What each key of the table in `src/core/dashboard-keys.ts` does, and its label in the footer. */
import { KEY_NAMES, KEY_TABLE, type KeyName, type Place } from '../../core/dashboard-keys.ts'
import type { Model, View } from '../state/model.ts'
import * as commands from './commands.ts'
import { act, ask, type Command } from './commands.ts'

export interface Doing {
  does(model: Model): readonly Command[]
  /** In the footer, where there is room. */
  short?: string
  /** There also where there is hardly any room. */
  isVital?: boolean
  /** Changes something outside: not with --read-only. */
  changes?: boolean
}

export const DOINGS: Readonly<Record<KeyName, Doing>> = {
  down: { does: () => act({ kind: 'move', by: 1 }) },
  up: { does: () => act({ kind: 'move', by: -1 }) },
  first: { does: () => act({ kind: 'end', which: 'first' }) },
  last: { does: () => act({ kind: 'end', which: 'last' }) },
  page_down: { does: () => act({ kind: 'page', by: 1 }) },
  page_up: { does: () => act({ kind: 'page', by: -1 }) },
  half_page_down: { does: () => act({ kind: 'page', by: 1, half: true }) },
  half_page_up: { does: () => act({ kind: 'page', by: -1, half: true }) },
  open: { short: 'open', does: commands.open },
  clear: { does: commands.clear },
  back: { short: 'back', does: commands.back },
  pane: { short: 'log/check/diff', does: commands.nextPane },
  task_above: { does: () => act({ kind: 'step', by: -1 }) },
  task_below: { does: () => act({ kind: 'step', by: 1 }) },
  follow: { short: 'follow', does: () => act({ kind: 'follow' }) },
  wrap: { does: () => act({ kind: 'wrap' }) },
  times: { does: () => act({ kind: 'times' }) },
  search: { short: 'search', does: () => ask({ kind: 'line', label: '/', text: '', for: 'search' }) },
  next_hit: { does: () => act({ kind: 'hit', by: 1 }) },
  previous_hit: { does: () => act({ kind: 'hit', by: -1 }) },
  filter: { short: 'filter', does: ({ list }) => ask({ kind: 'line', label: '/', text: list.filter, for: 'filter' }) },
  mark: { short: 'mark', does: () => act({ kind: 'mark' }) },
  submit: { short: 'new', changes: true, does: commands.submit },
  retry: { short: 'retry', changes: true, does: commands.retry },
  cancel: { short: 'cancel', changes: true, does: commands.cancel },
  send: { short: 'send', changes: true, does: commands.send },
  continue: { short: 'continue', changes: true, does: commands.goOn },
  pull: { short: 'pull', changes: true, does: commands.take('pull') },
  apply: { short: 'apply', changes: true, does: commands.take('apply') },
  push: { short: 'push', changes: true, does: commands.take('push') },
  forget: { changes: true, does: commands.forget },
  shell: { changes: true, does: commands.shell },
  drain: { short: 'drain', changes: true, does: commands.drain },
  run: { short: 'run now', changes: true, does: commands.runNow },
  pause: { short: 'pause', changes: true, does: commands.pause },
  sort: { does: () => act({ kind: 'sort' }) },
  reverse: { does: () => act({ kind: 'reverse' }) },
  groups: { short: 'groups', does: () => act({ kind: 'group' }) },
  stream: { short: 'stream', does: commands.stream },
  pager: { does: commands.page },
  copy: { does: commands.copy },
  tasks: { does: () => act({ kind: 'view', view: 'tasks' }) },
  nodes: { does: () => act({ kind: 'view', view: 'nodes' }) },
  events: { does: () => act({ kind: 'view', view: 'events' }) },
  schedules: { does: () => act({ kind: 'view', view: 'schedules' }) },
  help: { short: 'help', isVital: true, does: () => act({ kind: 'help', top: 0 }) },
  suspend: { does: () => [{ effect: { kind: 'suspend' } }] },
  quit: { short: 'quit', isVital: true, does: () => [{ effect: { kind: 'quit' } }] },
}

export interface Binding extends Doing {
  name: KeyName
  keys: readonly string[]
  /** The keys as help writes them. */
  label: string
  help: string
}

export function placeOf({ view, open }: Model): Place {
  return open === null ? view : OPENED[view]
}

const OPENED: Readonly<Record<View, Place>> = { tasks: 'task', nodes: 'node', schedules: 'schedule', events: 'events' }

/** Those that do something here. */
export function bindingsOf(model: Model): readonly Binding[] {
  return allBindings(model).filter(({ changes }) => !changes || !model.isReadOnly)
}

/** A name without a key does nothing and is not shown. */
export function allBindings(model: Model): readonly Binding[] {
  const place = placeOf(model)
  return KEY_NAMES.flatMap((name): Binding[] => {
    const { places, help } = KEY_TABLE[name]
    const doing = DOINGS[name]
    const keys = model.keys[name]
    if (keys.length === 0 || !places.includes(place)) return []
    return [{ ...doing, name, keys, help, label: labelOf(keys) }]
  })
}

const ARROWS: Record<string, string> = { up: '↑', down: '↓' }
const WRITTEN: Record<string, string> = { ...ARROWS, pageup: 'PgUp', pagedown: 'PgDn' }

/** The first of them, and an arrow, which everybody looks for. */
function labelOf([first = '', ...rest]: readonly string[]): string {
  const written = WRITTEN[first] ?? first.replace(/^ctrl-/, 'Ctrl-')
  return [written, ...rest.flatMap(key => ARROWS[key] ?? [])].join(' ')
}
