/** The columns of the list of tasks: each as wide as what is in it, none whose cells are all the same. */
import { failureOf } from '../../text/failure.ts'
import { resultLine } from '../../text/tasks.ts'
import { withLocalTimes } from '../../text/times.ts'
import { queueText } from '../../text/waiting.ts'
import { holdersOf } from '../state/groups.ts'
import type { Model, Row } from '../state/model.ts'
import { isEnded, stateOf } from '../state/states.ts'
import { costOf } from '../view/detail.ts'
import { age, type Span, textWidth } from '../view/line.ts'

type Content = Pick<Span, 'text' | 'tone'>

export interface Column {
  title: string
  width: number
  of(row: Row, model: Model): Content
}

interface Optional {
  title: string
  of(row: Row): string
  /** The width of a window from which on it is there, and the most that it takes. */
  from: number
  most: number
}

/** Named where it tells tasks apart. */
const OPTIONAL: readonly Optional[] = [
  { title: 'ID', from: 120, most: 10, of: ({ task }) => task.id },
  { title: 'AGENT', from: 76, most: 12, of: ({ task }) => task.agent },
  { title: 'NODE', from: 110, most: 16, of: ({ task }) => task.node?.name ?? '' },
  { title: 'COST', from: 130, most: 8, of: ({ task }) => costOf(task.usage) },
]

const STATE: Column = {
  title: '  STATE',
  width: 12,
  of: ({ task }) => {
    const { symbol, word, tone } = stateOf(task)
    return { text: `${symbol} ${word}`, tone }
  },
}
const SINCE: Column = {
  title: ' FOR',
  width: 4,
  of: ({ task }, { now }) => {
    return { text: age(isEnded(task) ? task.completedAt : task.stepEnteredAt, now).padStart(4), tone: 'quiet' }
  },
}

/** Left of the first column, and between two. */
export const LEAD = 2
export const GAP = 2
const SINCE_FROM = 50
const WHAT_FROM = 72
const WHAT_MIN = 16

/** What fits a window of this width. */
export function columnsOf(model: Model): Column[] {
  const { columns } = model.size
  const { title, widths } = needsOf(model)
  const optional = OPTIONAL.flatMap(({ title, of, from }, index): Column[] => {
    const width = widths[index] ?? 0
    if (width === 0 || columns < from) return []
    return [{ title, width: Math.max(width, title.length), of: row => ({ text: of(row) }) }]
  })
  const beside = [...optional, ...(columns < SINCE_FROM ? [] : [SINCE])]
  const used = [STATE, ...beside].reduce((sum, { width }) => sum + width + GAP, LEAD)
  const left = columns - used
  const hasWhat = columns >= WHAT_FROM && left >= 2 * WHAT_MIN + GAP
  const wide = hasWhat ? Math.min(title, Math.max(Math.floor(left / 2), left - GAP - WHAT_MIN * 3)) : left
  const what: Column = { title: 'WHAT', width: left - wide - GAP, of: whatOf }
  return [
    STATE,
    { title: 'TITLE', width: wide, of: ({ task }, { list }) => ({ text: titled(task, list) }) },
    ...beside,
    ...(hasWhat ? [what] : []),
  ]
}

const titled = ({ id, title }: Row['task'], { leads }: Model['list']) => (leads.get(id) ?? '') + title

interface Needs {
  title: number
  /** In the order of `OPTIONAL`; 0 for what says nothing. */
  widths: readonly number[]
}

const TITLE_MIN = 5
const known = new WeakMap<readonly string[], Needs>()

/** Measured once for each order of the list, so that columns hold still between two. */
function needsOf({ list, rows }: Model): Needs {
  const before = known.get(list.order)
  if (before) return before
  const shown = list.order.flatMap(id => rows.get(id) ?? [])
  const needs = {
    title: Math.max(TITLE_MIN, ...[shown.reduce((most, { task }) => Math.max(most, textWidth(titled(task, list))), 0)]),
    widths: OPTIONAL.map(column => needOf(column, shown)),
  }
  known.set(list.order, needs)
  return needs
}

function needOf({ of, most }: Optional, rows: readonly Row[]): number {
  const [first] = rows
  if (!first) return 0
  const same = of(first)
  let width = 0
  let isEqual = true
  for (const row of rows) {
    const text = of(row)
    if (text !== same) isEqual = false
    width = Math.max(width, textWidth(text))
  }
  return isEqual ? 0 : Math.min(width, most)
}

/**
 * What one wants to know about a task now: the last line of its agent, its place in the queue, the first cause of its
 * failure, or what came of it.
 */
function whatOf({ task, why }: Row, { said, rows }: Model): Content {
  const { status, step, result } = task
  const line = said.get(task.id)
  if (status === 'failed') return { text: causeOf(task, line), tone: 'bad' }
  if (isEnded(task)) return { text: result ? resultLine(task).replace(/ on \S+:/, ':') : '', tone: 'quiet' }
  if (step === 'awaiting_followup') return { text: line ?? 'waits for you', tone: 'you' }
  if (step === 'running' && line !== undefined) return { text: line }
  const held = heldText(task, rows)
  if (held !== null) return held
  const wait = why ? queueText(why) : task.waitingFor ? `waits for ${task.waitingFor}` : ''
  return { text: withLocalTimes(wait), tone: 'quiet' }
}

/** `npm test: 3 failed (login.test.ts)`: what failed, and the line that says how. */
function causeOf(task: Row['task'], line: string | undefined): string {
  const { error, result } = task
  const command = failureOf(task)?.part === 'check' ? result?.check?.command : undefined
  const why = line ?? error?.message.split('\n')[0] ?? ''
  return command === undefined ? why : `${command}: ${why}`
}

/** `after write the parser (running) and 2 more`: which tasks it waits for, by their titles; null where that is not known. */
function heldText(task: Row['task'], rows: Model['rows']): Content | null {
  const holders = holdersOf(task)
  // One that has failed needs somebody, and the others do not.
  const first = holders.find(({ state }) => state === 'failed') ?? holders[0]
  const row = first && rows.get(first.id)
  if (!first || !row) return null
  const more = holders.length > 1 ? ` and ${holders.length - 1} more` : ''
  const hasFailed = first.state === 'failed'
  const text = `after ${row.task.title} (${hasFailed ? 'failed' : stateOf(row.task).word})${more}`
  return { text, tone: hasFailed ? 'bad' : 'quiet' }
}
