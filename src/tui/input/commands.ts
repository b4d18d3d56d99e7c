/** What keys lead to, where it takes more than naming it: who is meant, whether it fits them, and a question first. */
import type { Status } from '../../core/task.ts'
import type { ViewAction } from '../state/actions.ts'
import { chosen, type Effect, type Model, type Pane, type Prompt } from '../state/model.ts'
import { isEnded } from '../state/states.ts'
import { PANES } from '../view/pane.ts'

export type Command = { act: ViewAction } | { effect: Effect }

export const act = (action: ViewAction): Command[] => [{ act: action }]
export const ask = (prompt: Prompt): Command[] => act({ kind: 'prompt', prompt })
const refuse = (text: string): Command[] => act({ kind: 'notice', text, isBad: true })

/** About the task under the cursor, if there is one. */
const here = ({ list }: Model, effectOf: (id: string) => Effect): Command[] =>
  list.cursor === null ? [] : [{ effect: effectOf(list.cursor) }]

export const copy = (model: Model) => here(model, text => ({ kind: 'copy', text }))
export const stream = (model: Model) => here(model, id => ({ kind: 'stream', id }))
/** What the open task shows; of one in the list, its log. */
export const page = (model: Model) => here(model, id => ({ kind: 'page', id, pane: model.isOpen ? model.pane : 'log' }))

export function clear({ view, list }: Model): Command[] {
  if (view === 'events') return act({ kind: 'search', text: '' })
  return act(list.marked.size > 0 ? { kind: 'unmark' } : { kind: 'filter', text: '' })
}

export function back({ search }: Model): Command[] {
  return act(search.text === '' ? { kind: 'open', isOpen: false } : { kind: 'search', text: '' })
}

export function nextPane({ pane }: Model): Command[] {
  const next: Pane = PANES[(PANES.indexOf(pane) + 1) % PANES.length] ?? 'log'
  return act({ kind: 'pane', pane: next })
}

export const retry = (model: Model) => change(model, 'retry', 'none of them is over yet', isEnded)
export const cancel = (model: Model) => change(model, 'cancel', 'none of them is under way', task => !isEnded(task))

/** Asks about those of the chosen tasks that it fits; a notice when it fits none. */
function change(
  model: Model,
  kind: 'retry' | 'cancel',
  none: string,
  fits: (task: { status: Status }) => boolean,
): Command[] {
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

export function send({ list, rows }: Model): Command[] {
  const id = list.cursor
  const row = id === null ? undefined : rows.get(id)
  if (id === null || !row) return []
  if (isEnded(row.task)) return refuse(`${id} is over: its agent has ended`)
  return ask({ kind: 'line', label: `send ${id}:`, text: '', for: 'send', id })
}

export function drain({ nodes, nodeCursor }: Model): Command[] {
  const node = nodes.find(({ name }) => name === nodeCursor) ?? nodes[0]
  if (!node) return []
  const isUndo = node.status === 'draining'
  const question = isUndo ? `take ${node.name} back into work?` : `drain ${node.name}: no new tasks for it?`
  return ask({ kind: 'confirm', question, effect: { kind: 'drain', node: node.name, isUndo } })
}
