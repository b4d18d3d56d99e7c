/** What the user does, put into the model. */
import { runsBelow } from '../lists/schedule.ts'
import { paneHeight, paneLength, startsAtTop } from '../view/pane.ts'
import type { ViewAction } from './actions.ts'
import { groupOf, membersOf } from './groups.ts'
import { isTaskOpen, isText, type Model, NO_SEARCH } from './model.ts'
import { inView, listHeight, reordered, SORTS } from './order.ts'
import { nextHit, searched } from './search.ts'

const NOTICE_MS = 4_000

type Of<Kind extends ViewAction['kind']> = Extract<ViewAction, { kind: Kind }>
type Reducers = { [Kind in ViewAction['kind']]: (model: Model, action: Of<Kind>) => Model }

export const view: Reducers = {
  size: (model, { size }) => inView({ ...model, size }),
  move: (model, { by }) => moved(model, by),
  step: (model, { by }) => ({ ...stepOpen(model, by), ...anew(model) }),
  page: (model, { by, half }) => moved(model, by * Math.max(Math.floor(pageOf(model) / (half ? 2 : 1)), 1)),
  end: (model, { which }) => moved(model, which === 'first' ? -Infinity : Infinity),
  view: (model, { view: name }) => ({ ...model, view: name, open: null, back: 0, search: NO_SEARCH }),
  open: (model, { id }) => ({ ...touched(model), open: id, back: 0, search: NO_SEARCH }),
  cursor: (model, { id }) =>
    isNamed(model.view)
      ? { ...model, [CURSORS[model.view]]: id }
      : inView({ ...touched(model), list: { ...touched(model).list, cursor: id } }),
  help: (model, { top }) => ({ ...model, helpTop: top === null ? null : Math.max(top, 0) }),
  unmark: model => ({ ...model, list: { ...model.list, marked: new Set() } }),
  group: model => reordered(model, { isGrouped: !model.list.isGrouped }),
  fold: (model, { name }) => {
    const unfolded = new Set(model.list.unfolded)
    if (!unfolded.delete(name)) unfolded.add(name)
    return reordered(touched(model), { unfolded })
  },
  sort: model => {
    const sort = SORTS[(SORTS.indexOf(model.list.sort) + 1) % SORTS.length] ?? 'activity'
    return reordered(model, { sort })
  },
  reverse: model => reordered(model, { isReversed: !model.list.isReversed }),
  filter: (model, { text }) => reordered(model, { filter: text, top: 0 }),
  prompt: (model, { prompt }) => ({ ...model, prompt }),
  draft: (model, { task }) => ({ ...model, draft: task }),
  pane: (model, { pane }) => ({ ...model, pane, ...anew(model) }),
  follow: model => ({ ...model, back: model.back === 0 ? 1 : 0 }),
  search: (model, { text }) => searched(model, text),
  hit: (model, { by }) => (model.search.text === '' ? model : nextHit(model, by)),
  times: model => ({ ...model, hasTimes: !model.hasTimes }),
  wrap: model => ({ ...model, isWrapped: !model.isWrapped }),
  notice: (model, { text, isBad = false }) => ({ ...model, notice: { text, isBad, until: model.now + NOTICE_MS } }),

  mark(model) {
    const { cursor, marked } = model.list
    if (cursor === null) return model
    const next = new Set(marked)
    const group = groupOf(cursor)
    const ids = group === null ? [cursor] : membersOf(model, group).map(({ task }) => task.id)
    const isMarked = ids.every(id => marked.has(id))
    for (const id of ids) isMarked ? next.delete(id) : next.add(id)
    return moved({ ...model, list: { ...model.list, marked: next } }, 1)
  },
}

/** Another text: from its own beginning, with the same search. */
const anew = ({ search }: Model) => ({ back: 0, search: { ...search, line: null } })

function touched(model: Model): Model {
  return model.list.isTouched ? model : { ...model, list: { ...model.list, isTouched: true } }
}

function pageOf(model: Model): number {
  return isTaskOpen(model) ? paneHeight(model) : listHeight(model)
}

/** Down is positive. In a list the cursor goes, elsewhere what is shown. */
function moved(model: Model, by: number): Model {
  if (isText(model)) {
    const most = Math.max(paneLength(model) - paneHeight(model), 0)
    const back = model.back + (startsAtTop(model) ? by : -by)
    return { ...model, back: Math.min(Math.max(back, 0), most) }
  }
  if (!isNamed(model.view)) return stepTask(model, by)
  if (model.open === null) return stepNamed(model, model.view, by)
  return model.view === 'schedules' ? scrolled(model, by) : model
}

/** What became of the instants of an open schedule, from the newest on. */
function scrolled(model: Model, by: number): Model {
  return { ...model, back: Math.min(Math.max(model.back + by, 0), runsBelow(model)) }
}

function stepTask(model: Model, by: number): Model {
  const { list } = touched(model)
  // From an open task to the next one, over the lines of groups.
  const order = model.open === null ? list.order : list.order.filter(id => groupOf(id) === null)
  return inView({ ...model, list: { ...list, cursor: stepped(order, list.cursor, by) } })
}

/** Lists whose members have names, and where the cursor of each is. */
const CURSORS = { nodes: 'nodeCursor', schedules: 'scheduleCursor' } as const
type Named = keyof typeof CURSORS
const isNamed = (view: Model['view']): view is Named => view in CURSORS
const namesIn = (model: Model, view: Named) => (model[view] ?? []).map(({ name }) => name)

function stepNamed(model: Model, view: Named, by: number): Model {
  return { ...model, [CURSORS[view]]: stepped(namesIn(model, view), model[CURSORS[view]], by) }
}

/** To the neighbour of what is open; of something that left the list, to that of the cursor. */
function stepOpen(model: Model, by: number): Model {
  const { open, list, view } = model
  if (isNamed(view)) {
    const cursor = CURSORS[view]
    const from = open !== null && namesIn(model, view).includes(open) ? open : model[cursor]
    const next = stepNamed({ ...model, [cursor]: from }, view, by)
    return { ...next, open: next[cursor] }
  }
  const cursor = open !== null && list.order.includes(open) ? open : list.cursor
  const next = stepTask({ ...model, list: { ...list, cursor } }, by)
  return { ...next, open: next.list.cursor }
}

/** The member so many places on, at most the last; the first when there is none yet. */
export function stepped(members: readonly string[], from: string | null, by: number): string | null {
  const index = from === null ? 0 : Math.max(members.indexOf(from), 0)
  const next = Math.min(Math.max(index + by, 0), members.length - 1)
  return members[next] ?? null
}
