/**
 * The list of tasks: a row each, with what matters about it now at its end, and a preview of the one under the
 * cursor.
 */
import { resultLine } from '../../text/tasks.ts'
import { withLocalTimes } from '../../text/times.ts'
import { groupOf } from '../state/groups.ts'
import { EMPTY_LOG, linesOf } from '../state/log.ts'
import { focusedGroup, type Model, type Row } from '../state/model.ts'
import { listHeight, previewHeight } from '../state/order.ts'
import { isEnded } from '../state/states.ts'
import { card } from '../view/card.ts'
import { focused, timeline, titleRule } from '../view/detail.ts'
import { barOf, type Line, pad, padLine, rule, type Span } from '../view/line.ts'
import { type Column, columnsOf, GAP } from './columns.ts'
import { groupLine, groupPreview } from './groups.ts'

export function board(model: Model): Line[] {
  const { columns } = model.size
  const { order, top } = model.list
  const height = listHeight(model)
  const cells = columnsOf(model)
  const lines = order.slice(top, top + height).flatMap((id): Line[] => {
    const group = groupOf(id)
    if (group !== null) return [groupLine(group, model)]
    const row = model.rows.get(id)
    return row ? [taskLine(row, model, cells)] : []
  })
  if (lines.length === 0) lines.push(...empty(model))
  while (lines.length < height) lines.push([])
  const titles = cells.map(({ title, width }) => pad(title, width)).join(' '.repeat(GAP))
  return [
    ...listHead(titles, columns, outside(top, order.length - top - height)),
    ...lines.slice(0, height),
    ...preview(model),
  ]
}

/** The names of the columns, and a rule that says what is not on the screen. */
export function listHead(titles: string, columns: number, right: Line): Line[] {
  return [padLine([{ text: `  ${titles}`, tone: 'quiet' }], columns), rule([], columns, right)]
}

/** `▲ 12 above  ▼ 3 below` */
export function outside(above: number, below: number): Line {
  const parts = [above > 0 ? `▲ ${above} above` : '', below > 0 ? `▼ ${below} below` : ''].filter(Boolean)
  return parts.length === 0 ? [] : [{ text: parts.join('  '), tone: 'wait' }]
}

function taskLine(row: Row, model: Model, cells: readonly Column[]): Line {
  const { cursor, marked } = model.list
  const isHere = row.task.id === cursor
  const isMarked = marked.has(row.task.id)
  const mark: Span = { text: isHere ? (isMarked ? '»' : '›') : isMarked ? '+' : ' ' }
  const spans = cells.flatMap((cell, index): Span[] => {
    const { text, tone } = cell.of(row, model)
    const piece = { text: pad(text, cell.width), ...(tone ? { tone } : {}) }
    return index === 0 ? [piece] : [{ text: ' '.repeat(GAP) }, piece]
  })
  const line = [mark, { text: ' ' }, ...spans]
  if (isHere) return barOf(line, model.size.columns)
  return isMarked ? line.map(span => ({ ...span, isBold: true })) : line
}

function empty({ list, rows, keys, isReadOnly }: Model): Line[] {
  if (rows.size > 0 || list.filter !== '')
    return [[], [{ text: '  no task passes the filter; esc clears it', tone: 'quiet' }]]
  const [key] = isReadOnly ? [] : keys.submit
  const ways = [...(key ? [key] : []), 'tdf submit "what to do"'].join(' or ')
  return [[], [{ text: `  no tasks yet; ${ways} hands one over`, tone: 'quiet' }]]
}

function preview(model: Model): Line[] {
  const height = previewHeight(model)
  if (height === 0) return []
  const { columns } = model.size
  const group = focusedGroup(model)
  if (group !== null) return groupPreview(group, model, height)
  const row = focused(model)
  if (!row) return Array.from({ length: height }, () => [])
  const lines = [titleRule(row, columns), padLine([{ text: ' ' }, ...timeline(model, columns - 1)], columns)]
  const failure = card(row.task, model.detail, height - lines.length)
  lines.push(...[...failure, ...remarks(model, row)].map(line => padLine([{ text: ' ' }, ...line], columns)))
  const room = failure.length > 0 ? 0 : height - lines.length
  const log = room > 0 ? linesOf(model.detail?.log ?? EMPTY_LOG).slice(-room) : []
  lines.push(...log.map((text): Line => [{ text: ' │ ', tone: 'quiet' }, { text: pad(text, columns - 3) }]))
  while (lines.length < height) lines.push([])
  return lines.slice(0, height)
}

/** Of a task that did not fail. */
function remarks(model: Model, { task, why }: Row): Line[] {
  const { detail } = model
  if (task.error) return []
  if (isEnded(task)) return task.result ? [[{ text: resultLine(task) }]] : []
  if (task.step === 'running') return []
  const sentence = why ?? detail?.why?.sentence
  const { estimate, command } = detail?.why ?? { estimate: null, command: null }
  const more = [estimate, command && `to change it: ${command}`].filter(Boolean).join('; ')
  return [
    ...(sentence ? [[{ text: withLocalTimes(sentence) }]] : []),
    ...(more ? [[{ text: more, tone: 'quiet' as const }]] : []),
  ]
}
