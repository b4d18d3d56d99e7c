/** What keys lead to, where it takes more than naming it: who is meant, whether it fits them, and a question first. */
import type { Status } from '../../core/task.ts'
import { neverTaken } from '../../text/tasks.ts'
import type { ViewAction } from '../state/actions.ts'
import { chosen, focusedGroup, focusedNode, focusedSchedule, focusOf, isTaskOpen, type Model } from '../state/model.ts'
import type { Effect, Pane, Prompt, Taking } from '../state/prompt.ts'
import { isEnded } from '../state/states.ts'
import { PANES } from '../view/pane.ts'

export type Command = { act: ViewAction } | { effect: Effect }

export const act = (action: ViewAction): Command[] => [{ act: action }]
export const ask = (prompt: Prompt): Command[] => act({ kind: 'prompt', prompt })
const refuse = (text: string): Command[] => act({ kind: 'notice', text, isBad: true })

/** About the open task, or that under the cursor, if there is one. */
function here(model: Model, effectOf: (id: string) => Effect): Command[] {
  const id = focusOf(model)
  return id === null ? noTask(model) : [{ effect: effectOf(id) }]
}

/** Why there is nothing to do with one task here. */
function noTask(model: Model): Command[] {
  const group = focusedGroup(model)
  const [key] = model.keys.open
  return group === null ? [] : refuse(`${group} is a group${key ? `: ${key} shows its tasks` : ''}`)
}

export const copy = (model: Model) => here(model, text => ({ kind: 'copy', text }))
export const stream = (model: Model) => here(model, id => ({ kind: 'stream', id }))
/** What the open task shows; of one in the list, its log. */
export const page = (model: Model) =>
  here(model, id => ({ kind: 'page', id, pane: isTaskOpen(model) ? model.pane : 'log' }))

export function clear({ view, list }: Model): Command[] {
  if (view === 'events') return act({ kind: 'search', text: '' })
  return act(list.marked.size > 0 ? { kind: 'unmark' } : { kind: 'filter', text: '' })
}

export function open(model: Model): Command[] {
  const named = { nodes: focusedNode, schedules: focusedSchedule } as const
  const { view } = model
  const group = focusedGroup(model)
  if (group !== null) return act({ kind: 'fold', name: group })
  const id = view === 'nodes' || view === 'schedules' ? named[view](model)?.name : model.list.cursor
  return id ? act({ kind: 'open', id }) : []
}

export function back({ search }: Model): Command[] {
  return act(search.text === '' ? { kind: 'open', id: null } : { kind: 'search', text: '' })
}

export function nextPane({ pane }: Model): Command[] {
  const next: Pane = PANES[(PANES.indexOf(pane) + 1) % PANES.length] ?? 'log'
  return act({ kind: 'pane', pane: next })
}

/** Of a whole group, those that are completed stay as they are. */
export const retry = (model: Model) =>
  isWhole(model)
    ? change(model, 'retry', 'none of its tasks has failed', task => isEnded(task) && task.status !== 'completed')
    : change(model, 'retry', 'none of them is over yet', isEnded)

const isWhole = (model: Model) => focusedGroup(model) !== null && model.list.marked.size === 0
export const cancel = (model: Model) => change(model, 'cancel', 'none of them is under way', task => !isEnded(task))

/** A result that is nowhere else is named in the question. */
export function forget(model: Model): Command[] {
  const [id, ...more] = chosen(model)
  const { detail } = model
  const task = id === undefined ? undefined : model.rows.get(id)?.task
  const events = more.length === 0 && detail !== null && detail.id === id ? detail.events : null
  const isOnlyCopy = task !== undefined && events !== null && neverTaken(task, events)
  const what = isOnlyCopy ? ' and its result, which was never pulled, pushed or applied' : ' and what came of it'
  return change(model, 'forget', 'none of them is over yet', isEnded, what)
}

/** Asks about those of the chosen tasks that it fits; a notice when it fits none. */
function change(
  model: Model,
  kind: 'retry' | 'cancel' | 'forget',
  none: string,
  fits: (task: { status: Status }) => boolean,
  more = '',
): Command[] {
  const ids = chosen(model).filter(id => {
    const row = model.rows.get(id)
    return row !== undefined && fits(row.task)
  })
  if (ids.length === 0) return refuse(`nothing to ${kind}: ${none}`)
  const group = isWhole(model) ? ` of ${focusedGroup(model)}` : ''
  const what = ids.length === 1 ? nameOf(model, ids[0] ?? '') : `${ids.length} tasks${group}`
  return ask({ kind: 'confirm', question: `${kind} ${what}${more}?`, effect: { kind, ids } })
}

function nameOf({ rows }: Model, id: string): string {
  return `${id} "${(rows.get(id)?.task.title ?? '').slice(0, 40)}"`
}

export const send = (model: Model) => message(model, 'send')
/** `continue` is no name for a constant. */
export const goOn = (model: Model) => message(model, 'continue')

function message(model: Model, kind: 'send' | 'continue'): Command[] {
  const id = focusOf(model)
  const row = id === null ? undefined : model.rows.get(id)
  if (id === null || !row) return noTask(model)
  const isOver = isEnded(row.task)
  const [send, goesOn] = [model.keys.send[0], model.keys.continue[0]]
  if (kind === 'send' && isOver) {
    return refuse(`${id} is over: its agent has ended${goesOn ? `; ${goesOn} continues it` : ''}`)
  }
  if (kind === 'continue' && !isOver) {
    return refuse(`${id} is not over${send ? `: ${send} sends its agent something more` : ''}`)
  }
  return ask({ kind: 'line', label: `${kind} ${id}:`, text: '', for: kind, id })
}

/** A branch beside the others is made at once; what changes files or another repository is asked for first. */
export const take =
  (kind: Taking) =>
  (model: Model): Command[] => {
    const id = focusOf(model)
    const task = id === null ? undefined : model.rows.get(id)?.task
    if (id === null || !task) return noTask(model)
    if (!task.result) return refuse(`nothing to ${kind}: ${id} has no result yet`)
    if (kind === 'pull') return [{ effect: { kind, id } }]
    const where = kind === 'apply' ? ' to the work tree' : ''
    return ask({ kind: 'confirm', question: `${kind} ${nameOf(model, id)}${where}?`, effect: { kind, id } })
  }

export const shell = (model: Model) => here(model, id => ({ kind: 'shell', id }))

export const submit = ({ draft }: Model): Command[] => ask({ kind: 'form', task: draft, at: 'prompt' })

export function drain(model: Model): Command[] {
  const node = focusedNode(model)
  if (!node) return []
  const isUndo = node.status === 'draining'
  const question = isUndo ? `take ${node.name} back into work?` : `drain ${node.name}: no new tasks for it?`
  return ask({ kind: 'confirm', question, effect: { kind: 'drain', node: node.name, isUndo } })
}

export function runNow(model: Model): Command[] {
  const schedule = focusedSchedule(model)
  if (!schedule) return []
  const { name } = schedule
  return ask({
    kind: 'confirm',
    question: `submit the task of ${name} now?`,
    effect: { kind: 'schedule', name, verb: 'run' },
  })
}

/** A paused one goes on. */
export function pause(model: Model): Command[] {
  const schedule = focusedSchedule(model)
  if (!schedule) return []
  const { name, state } = schedule
  const [question, verb] =
    state === 'paused'
      ? ([`let ${name} go on with its next instant?`, 'resume'] as const)
      : ([`pause ${name}: no task from it until it goes on?`, 'pause'] as const)
  return ask({ kind: 'confirm', question, effect: { kind: 'schedule', name, verb } })
}
