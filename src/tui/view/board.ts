/**
 * The list of tasks: a row each, with what matters about it now at its end, and a preview of the one under the
 * cursor.
 */
import { resultLine } from '../../text/tasks.ts'
import { reasonText } from '../../text/waiting.ts'
import { linesOf } from '../state/log.ts'
import type { Model, Row } from '../state/model.ts'
import { listHeight, previewHeight } from '../state/order.ts'
import { isEnded, stateOf } from '../state/states.ts'
import { costOf, focused, timeline, titleRule } from './detail.ts'
import { age, type Line, pad, padLine, type Span } from './line.ts'

interface Cell {
  title: string
  width: number
  of(row: Row, model: Model): Pick<Span, 'text' | 'tone'>
}

const GAP = '  '
const plain = (text: string) => ({ text })

const STATE: Cell = {
  title: 'STATE',
  width: 20,
  of: ({ task }) => {
    const { symbol, word, tone } = stateOf(task)
    return { text: `${symbol} ${word}`, tone }
  },
}
const ID: Cell = {
  title: 'ID',
  width: 10,
  of: ({ task }, { size }) => ({ text: size.columns < 100 ? task.id.slice(0, 6) : task.id, tone: 'quiet' }),
}
const SINCE: Cell = {
  title: ' FOR',
  width: 4,
  of: ({ task }, { now }) => {
    return { text: age(isEnded(task) ? task.completedAt : task.stepEnteredAt, now).padStart(4), tone: 'quiet' }
  },
}
const NODE: Cell = { title: 'NODE', width: 14, of: ({ task }) => plain(task.node?.name ?? '') }
const AGENT: Cell = { title: 'AGENT', width: 9, of: ({ task }) => plain(task.agent) }
const COST: Cell = { title: 'COST', width: 7, of: ({ task }) => plain(costOf(task.usage).padStart(7)) }

/** What fits a window of this width, most important first. */
function cellsOf(columns: number): Cell[] {
  const state = { ...STATE, width: columns < 100 ? 16 : 20 }
  const id = { ...ID, width: columns < 100 ? 6 : 10 }
  const cells = columns < 56 ? [state, id] : [state, id, SINCE]
  if (columns >= 110) cells.push(NODE)
  if (columns >= 140) cells.push(AGENT, COST)
  const used = 2 + cells.reduce((sum, { width }) => sum + width + GAP.length, 0)
  const left = columns - used
  const note = columns < 72 ? 0 : Math.floor(left * 0.48)
  cells.push({ title: 'TITLE', width: left - (note > 0 ? note + GAP.length : 0), of: ({ task }) => plain(task.title) })
  if (note > 0) cells.push({ title: 'WHAT', width: note, of: noteOf })
  return cells
}

export function board(model: Model): Line[] {
  const { columns } = model.size
  const cells = cellsOf(columns)
  const { order, top } = model.list
  const height = listHeight(model)
  const rows = order.slice(top, top + height).flatMap(id => model.rows.get(id) ?? [])
  const heads = cells.map(({ title, width }) => pad(title, width))
  const titles = padLine([{ text: `  ${heads.join(GAP)}`, tone: 'quiet' }], columns)
  const lines = rows.map(row => taskLine(row, model, cells))
  if (rows.length === 0) lines.push(...empty(model))
  while (lines.length < height) lines.push([])
  return [titles, ...lines.slice(0, height), ...preview(model)]
}

function taskLine(row: Row, model: Model, cells: readonly Cell[]): Line {
  const { cursor, marked } = model.list
  const isHere = row.task.id === cursor
  const isMarked = marked.has(row.task.id)
  const mark: Span = { text: isHere ? (isMarked ? '»' : '›') : isMarked ? '+' : ' ' }
  const spans = cells.flatMap((cell, index): Span[] => {
    const { text, tone } = cell.of(row, model)
    const piece = { text: pad(text, cell.width), ...(tone ? { tone } : {}) }
    return index === 0 ? [piece] : [{ text: GAP }, piece]
  })
  const line = [mark, { text: ' ' }, ...spans]
  if (isHere) return [{ text: line.map(({ text }) => text).join(''), isInverse: true }]
  return isMarked ? line.map(span => ({ ...span, isBold: true })) : line
}

/** What one wants to know about it now: why it waits, what went wrong, what came of it, or where it runs. */
function noteOf({ task, why }: Row, { size }: Model): Pick<Span, 'text' | 'tone'> {
  const { status, step, error, result, node } = task
  if (status === 'failed') return { text: error?.message ?? '', tone: 'bad' }
  if (isEnded(task)) return { text: result ? short(resultLine(task)) : '', tone: 'quiet' }
  if (step === 'awaiting_followup') return { text: 'waits for you', tone: 'you' }
  // Where it runs, unless a column of its own says so.
  if (step === 'running') return { text: node && size.columns < 110 ? `on ${node.name}` : '', tone: 'quiet' }
  return { text: why ? reasonText(why) : task.waitingFor ? `waits for ${task.waitingFor}` : '', tone: 'quiet' }
}

const short = (text: string) => text.replace(/ on \S+:/, ':')

function empty({ list, rows }: Model): Line[] {
  if (rows.size > 0 || list.filter !== '')
    return [[], [{ text: '  no task passes the filter; esc clears it', tone: 'quiet' }]]
  return [[], [{ text: '  no tasks yet; hand one over with:  tdf submit "what to do"', tone: 'quiet' }]]
}

function preview(model: Model): Line[] {
  const height = previewHeight(model)
  if (height === 0) return []
  const { columns } = model.size
  const row = focused(model)
  if (!row) return Array.from({ length: height }, () => [])
  const lines = [titleRule(row, columns), padLine([{ text: ' ' }, ...timeline(model, columns - 1)], columns)]
  const said = previewSpans(model, row).map(span => padLine([{ ...span, text: ` ${span.text}` }], columns))
  lines.push(...said.slice(0, height - 2))
  const room = height - lines.length
  const log = room > 0 ? linesOf(model.detail?.log ?? { lines: [], rest: '' }).slice(-room) : []
  lines.push(...log.map((text): Line => [{ text: ' │ ', tone: 'quiet' }, { text: pad(text, columns - 3) }]))
  while (lines.length < height) lines.push([])
  return lines
}

function previewSpans(model: Model, { task, why }: Row): Span[] {
  const { detail } = model
  if (task.error)
    return [
      { text: task.error.message, tone: 'bad' },
      { text: `next: ${task.error.hint}`, tone: 'quiet' },
    ]
  if (isEnded(task)) return task.result ? [{ text: resultLine(task) }] : []
  if (task.step === 'running') return []
  const sentence = why ?? detail?.why?.sentence
  const { estimate, command } = detail?.why ?? { estimate: null, command: null }
  const more = [estimate, command && `to change it: ${command}`].filter(Boolean).join('; ')
  return [...(sentence ? [{ text: sentence }] : []), ...(more ? [{ text: more, tone: 'quiet' as const }] : [])]
}
