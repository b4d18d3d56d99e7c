/** What the mouse does: the wheel moves, a click chooses, and a click on what is chosen opens it. */
import { focusedNode, focusedSchedule, isTaskOpen, type Model } from '../state/model.ts'
import { listHeight, windowTop } from '../state/order.ts'
import { head } from '../view/detail.ts'
import { tabAt } from '../view/header.ts'
import { PANES } from '../view/pane.ts'
import { act, type Command, open } from './commands.ts'

const WHEEL_LINES = 3
/** The header, the titles and their rule. */
const LIST_FROM = 3

/** Names of the mouse's keys, which no configuration has: `wheel-up`, `wheel-down`, and `click-COLUMN-ROW` from 0. */
const CLICK = /^click-(\d+)-(\d+)$/
/** SGR mode (1006): button, column and row from 1, `M` where it is pressed. Ink leaves out the escape before it. */
const REPORT = /^\[<(\d+);(\d+);(\d+)([Mm])$/
const WHEEL_UP = 64
const WHEEL_DOWN = 65

/** The key that a report of the mouse is; null for a text that is none, empty for one that means nothing here. */
export function mouseKey(input: string): string | null {
  const [, button, column, row, end] = REPORT.exec(input) ?? []
  if (button === undefined) return null
  if (Number(button) === WHEEL_UP) return 'wheel-up'
  if (Number(button) === WHEEL_DOWN) return 'wheel-down'
  return button === '0' && end === 'M' ? `click-${Number(column) - 1}-${Number(row) - 1}` : ''
}

/** Null for a key that is not the mouse's. */
export function point(model: Model, key: string): readonly Command[] | null {
  if (key === 'wheel-up') return act({ kind: 'move', by: -WHEEL_LINES })
  if (key === 'wheel-down') return act({ kind: 'move', by: WHEEL_LINES })
  const [, column, row] = CLICK.exec(key) ?? []
  if (column === undefined) return null
  return click(model, Number(column), Number(row))
}

function click(model: Model, column: number, row: number): readonly Command[] {
  if (row === 0) {
    const view = tabAt(model, column)
    return view === undefined ? [] : act({ kind: 'view', view })
  }
  if (isTaskOpen(model)) return row === head(model).length + 1 ? paneClick(column) : []
  if (model.open !== null || model.view === 'events') return []
  const line = row - LIST_FROM
  if (line < 0 || line >= listHeight(model)) return []
  if (model.view === 'nodes') return namedClick(model, model.nodes, focusedNode(model), line)
  if (model.view === 'schedules') return namedClick(model, model.schedules ?? [], focusedSchedule(model), line)
  return taskClick(model, line)
}

function taskClick(model: Model, line: number): readonly Command[] {
  const { list } = model
  const id = list.order[list.top + line]
  if (id === undefined) return []
  return id === list.cursor ? open(model) : act({ kind: 'cursor', id })
}

function namedClick<T extends { name: string }>(
  model: Model,
  all: readonly T[],
  here: T | undefined,
  line: number,
): readonly Command[] {
  const top = windowTop(0, here ? all.indexOf(here) : 0, listHeight(model), all.length)
  const member = all[top + line]
  if (!member) return []
  return act(member === here ? { kind: 'open', id: member.name } : { kind: 'cursor', id: member.name })
}

/** `─ [log] check  diff …`: each name with a column on either side. */
function paneClick(column: number): readonly Command[] {
  let end = 2
  const pane = PANES.find(name => {
    end += name.length + 2
    return column < end
  })
  return column < 2 || pane === undefined ? [] : act({ kind: 'pane', pane })
}
