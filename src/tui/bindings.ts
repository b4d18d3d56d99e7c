/** What each key of the table in `key-names.ts` does, and what the footer says of it. */
import type { KeyName } from '../key-names.ts'
import { act, ask, back, cancel, clear, copy, type Deed, drain, nextPane, page, retry, send, stream } from './deeds.ts'
import type { Model } from './model.ts'

export interface Doing {
  does(model: Model): readonly Deed[]
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
  open: { short: 'open', does: () => act({ kind: 'open', isOpen: true }) },
  clear: { does: clear },
  back: { short: 'back', does: back },
  pane: { short: 'log/diff/events', does: nextPane },
  task_above: { does: () => act({ kind: 'step', by: -1 }) },
  task_below: { does: () => act({ kind: 'step', by: 1 }) },
  follow: { short: 'follow', does: () => act({ kind: 'follow' }) },
  wrap: { does: () => act({ kind: 'wrap' }) },
  search: { short: 'search', does: () => ask({ kind: 'line', label: '/', text: '', for: 'search' }) },
  next_hit: { does: () => act({ kind: 'hit', by: 1 }) },
  previous_hit: { does: () => act({ kind: 'hit', by: -1 }) },
  filter: {
    short: 'filter',
    does: ({ list }) => ask({ kind: 'line', label: '/', text: list.filter, for: 'filter' }),
  },
  mark: { short: 'mark', does: () => act({ kind: 'mark' }) },
  retry: { short: 'retry', changes: true, does: retry },
  cancel: { short: 'cancel', changes: true, does: cancel },
  send: { short: 'send', changes: true, does: send },
  drain: { short: 'drain', changes: true, does: drain },
  sort: { does: () => act({ kind: 'sort' }) },
  reverse: { does: () => act({ kind: 'reverse' }) },
  stream: { short: 'stream', does: stream },
  pager: { does: page },
  copy: { does: copy },
  tasks: { does: () => act({ kind: 'view', view: 'tasks' }) },
  nodes: { does: () => act({ kind: 'view', view: 'nodes' }) },
  events: { does: () => act({ kind: 'view', view: 'events' }) },
  help: { short: 'help', isVital: true, does: () => act({ kind: 'help', top: 0 }) },
  suspend: { does: () => [{ effect: { kind: 'suspend' } }] },
  quit: { short: 'quit', isVital: true, does: () => [{ effect: { kind: 'quit' } }] },
}
