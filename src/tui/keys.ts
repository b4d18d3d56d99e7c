/** Every key, once: what it does, where, and what help and footer say of it. A key means one thing in a place. */

import type { Status } from '../task.ts'
import type { ViewAction } from './actions.ts'
import type { Effect } from './effects.ts'
import { chosen, type Model, type Pane } from './model.ts'
import { PANES } from './pane.ts'
import type { Prompt } from './prompt.ts'
import { isEnded } from './states.ts'

export type Place = 'tasks' | 'nodes' | 'events' | 'task'
export type Deed = { act: ViewAction } | { effect: Effect }

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

const ALL: readonly Place[] = ['tasks', 'nodes', 'events', 'task']
const act = (action: ViewAction): Deed[] => [{ act: action }]
const ask = (prompt: Prompt): Deed[] => act({ kind: 'prompt', prompt })
const refuse = (text: string): Deed[] => act({ kind: 'notice', text, isBad: true })

export const BINDINGS: readonly Binding[] = [
  { keys: ['j', 'down'], label: 'j ↓', says: 'down', places: ALL, does: () => act({ kind: 'move', by: 1 }) },
  { keys: ['k', 'up'], label: 'k ↑', says: 'up', places: ALL, does: () => act({ kind: 'move', by: -1 }) },
  { keys: ['g', 'home'], label: 'g', says: 'first', places: ALL, does: () => act({ kind: 'end', which: 'first' }) },
  { keys: ['G', 'end'], label: 'G', says: 'last', places: ALL, does: () => act({ kind: 'end', which: 'last' }) },
  { keys: ['pagedown'], label: 'PgDn', says: 'a page down', places: ALL, does: () => act({ kind: 'page', by: 1 }) },
  { keys: ['pageup'], label: 'PgUp', says: 'a page up', places: ALL, does: () => act({ kind: 'page', by: -1 }) },
  {
    keys: ['ctrl-d'],
    label: 'Ctrl-d',
    says: 'half a page down',
    places: ALL,
    does: () => act({ kind: 'page', by: 1, half: true }),
  },
  {
    keys: ['ctrl-u'],
    label: 'Ctrl-u',
    says: 'half a page up',
    places: ALL,
    does: () => act({ kind: 'page', by: -1, half: true }),
  },
  {
    keys: ['enter', 'l'],
    label: 'enter',
    says: 'open the task',
    short: 'open',
    places: ['tasks'],
    does: () => act({ kind: 'open', isOpen: true }),
  },
  { keys: ['esc'], label: 'esc', says: 'clear the marks, then the filter', places: ['tasks'], does: clear },
  {
    keys: ['esc', 'enter'],
    label: 'esc',
    says: 'back to the list',
    short: 'back',
    places: ['task'],
    does: () => act({ kind: 'open', isOpen: false }),
  },
  {
    keys: ['tab'],
    label: 'tab',
    says: 'log, diff, events, prompt',
    short: 'log/diff/events',
    places: ['task'],
    does: nextPane,
  },
  {
    keys: ['['],
    label: '[',
    says: 'the task above',
    places: ['task'],
    does: () => [{ act: { kind: 'step', by: -1 } }],
  },
  { keys: [']'], label: ']', says: 'the task below', places: ['task'], does: () => [{ act: { kind: 'step', by: 1 } }] },
  {
    keys: ['f'],
    label: 'f',
    says: 'follow the end, or hold still',
    short: 'follow',
    places: ['task', 'events'],
    does: () => act({ kind: 'follow' }),
  },
  {
    keys: ['w'],
    label: 'w',
    says: 'wrap long lines',
    short: 'wrap',
    places: ['task'],
    does: () => act({ kind: 'wrap' }),
  },
  {
    keys: ['/'],
    label: '/',
    says: 'filter: status:failed label:x !not',
    short: 'filter',
    places: ['tasks'],
    does: ({ list }) => ask({ kind: 'line', label: '/', text: list.filter, for: 'filter' }),
  },
  {
    keys: ['space'],
    label: 'space',
    says: 'mark for the next action',
    short: 'mark',
    places: ['tasks'],
    does: () => act({ kind: 'mark' }),
  },
  {
    keys: ['r'],
    label: 'r',
    says: 'retry: open the next attempt',
    short: 'retry',
    places: ['tasks', 'task'],
    changes: true,
    does: retry,
  },
  {
    keys: ['x'],
    label: 'x',
    says: 'cancel; what was made is kept',
    short: 'cancel',
    places: ['tasks', 'task'],
    changes: true,
    does: cancel,
  },
  {
    keys: ['i'],
    label: 'i',
    says: 'send the agent something more',
    short: 'send',
    places: ['tasks', 'task'],
    changes: true,
    does: send,
  },
  {
    keys: ['d'],
    label: 'd',
    says: 'drain it, or take it back to work',
    short: 'drain',
    places: ['nodes'],
    changes: true,
    does: drain,
  },
  {
    keys: ['o'],
    label: 'o',
    says: 'sort: activity, age, title, cost',
    places: ['tasks'],
    does: () => act({ kind: 'sort' }),
  },
  { keys: ['O'], label: 'O', says: 'reverse the order', places: ['tasks'], does: () => act({ kind: 'reverse' }) },
  {
    keys: ['s'],
    label: 's',
    says: 'its plain log; s comes back',
    short: 'stream',
    places: ['tasks', 'task'],
    does: stream,
  },
  {
    keys: ['y'],
    label: 'y',
    says: 'copy the id',
    places: ['tasks', 'task'],
    does: ({ list }) => (list.cursor === null ? [] : [{ effect: { kind: 'copy', text: list.cursor } }]),
  },
  { keys: ['1'], label: '1', says: 'tasks', places: ALL, does: () => act({ kind: 'view', view: 'tasks' }) },
  { keys: ['2'], label: '2', says: 'nodes', places: ALL, does: () => act({ kind: 'view', view: 'nodes' }) },
  { keys: ['3'], label: '3', says: 'events', places: ALL, does: () => act({ kind: 'view', view: 'events' }) },
  {
    keys: ['?'],
    label: '?',
    says: 'this help',
    short: 'help',
    isVital: true,
    places: ALL,
    does: () => act({ kind: 'help', top: 0 }),
  },
  {
    keys: ['ctrl-z'],
    label: 'Ctrl-z',
    says: 'suspend; fg comes back',
    places: ALL,
    does: () => [{ effect: { kind: 'suspend' } }],
  },
  {
    keys: ['q', 'ctrl-c'],
    label: 'q',
    says: 'leave; tasks go on',
    short: 'quit',
    isVital: true,
    places: ALL,
    does: () => [{ effect: { kind: 'quit' } }],
  },
]

export function placeOf({ view, isOpen }: Model): Place {
  return isOpen ? 'task' : view
}

export function bindingsOf(model: Model): readonly Binding[] {
  const place = placeOf(model)
  return BINDINGS.filter(({ places, changes }) => places.includes(place) && !(changes && model.isReadOnly))
}

function clear({ list }: Model): Deed[] {
  return act(list.marked.size > 0 ? { kind: 'unmark' } : { kind: 'filter', text: '' })
}

function nextPane({ pane }: Model): Deed[] {
  const next: Pane = PANES[(PANES.indexOf(pane) + 1) % PANES.length] ?? 'log'
  return act({ kind: 'pane', pane: next })
}

function retry(model: Model): Deed[] {
  return change(model, 'retry', 'none of them is over yet', task => isEnded(task))
}

function cancel(model: Model): Deed[] {
  return change(model, 'cancel', 'none of them is under way', task => !isEnded(task))
}

/** Asks about those among the chosen that it fits, and says so when it fits none. */
function change(
  model: Model,
  kind: 'retry' | 'cancel',
  none: string,
  fits: (task: { status: Status }) => boolean,
): Deed[] {
  const ids = chosen(model).filter(id => {
    const row = model.rows.get(id)
    return row !== undefined && fits(row.task)
  })
  const [id] = ids
  if (id === undefined) return refuse(`nothing to ${kind}: ${none}`)
  const title = model.rows.get(id)?.task.title ?? ''
  const what = ids.length === 1 ? `${id} "${title.slice(0, 40)}"` : `${ids.length} tasks`
  return ask({ kind: 'confirm', question: `${kind} ${what}?`, effect: { kind, ids } })
}

function send({ list, rows }: Model): Deed[] {
  const id = list.cursor
  const row = id === null ? undefined : rows.get(id)
  if (id === null || !row) return []
  if (isEnded(row.task)) return refuse(`${id} is over: nobody would read it`)
  return ask({ kind: 'line', label: `send ${id}:`, text: '', for: 'send', id })
}

function stream({ list }: Model): Deed[] {
  return list.cursor === null ? [] : [{ effect: { kind: 'stream', id: list.cursor } }]
}

function drain({ nodes, nodeCursor }: Model): Deed[] {
  const node = nodes.find(({ name }) => name === nodeCursor) ?? nodes[0]
  if (!node) return []
  const isUndo = node.status === 'draining'
  const question = isUndo ? `take ${node.name} back into work?` : `drain ${node.name}: no new tasks for it?`
  return ask({ kind: 'confirm', question, effect: { kind: 'drain', node: node.name, isUndo } })
}
