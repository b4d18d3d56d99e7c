/** The last line: a question, what came of an action, or the keys that matter here. */
import { type Binding, bindingsOf, placeOf } from '../input/bindings.ts'
import { isText, type Model } from '../state/model.ts'
import { FORM_KEYS } from './form.ts'
import { type Line, pad, padLine, rule, type Span, split, widthOf } from './line.ts'
import { paneHeight, paneLength } from './pane.ts'

export function footer(model: Model): Line {
  const { columns } = model.size
  const { prompt, notice } = model
  if (prompt?.kind === 'confirm')
    return padLine([{ text: ` ${prompt.question} `, tone: 'you', isBold: true }, { text: 'y/N' }], columns)
  if (prompt?.kind === 'form') return keyLine(FORM_KEYS.map(([label, short]) => ({ label, short })))
  if (prompt) return typing(prompt.label, prompt.text, columns)
  if (notice) return padLine([{ text: ` ${notice.text}`, tone: notice.isBad ? 'bad' : 'good' }], columns)
  const right = place(model)
  return split(keys(model, columns - widthOf(right) - 2), right, columns)
}

/** The end of what is typed is what one looks at. */
function typing(label: string, text: string, columns: number): Line {
  const room = Math.max(columns - label.length - 4, 1)
  const shown = [...text].slice(-room).join('')
  return padLine([{ text: ` ${label} `, isBold: true }, { text: shown }, { text: ' ', isInverse: true }], columns)
}

/** In the order of the table; help and the way out are always there. */
function keys(model: Model, room: number): Line {
  const named = bindingsOf(model).flatMap(({ label, short, isVital = false }) =>
    short === undefined ? [] : [{ label, short, isVital, width: label.length + short.length + 3 }],
  )
  let left = room - 1 - named.reduce((sum, { isVital, width }) => sum + (isVital ? width : 0), 0)
  const shown = named.filter(({ isVital, width }) => {
    if (isVital) return true
    left -= width
    return left >= 0
  })
  return keyLine(shown)
}

function keyLine(shown: readonly { label: string; short: string }[]): Line {
  const spans = shown.flatMap(({ label, short }, index): Span[] => [
    { text: label, isBold: true },
    { text: index < shown.length - 1 ? ` ${short}  ` : ` ${short}`, tone: 'quiet' },
  ])
  return [{ text: ' ' }, ...spans]
}

/** Where one is in what is shown. */
function place(model: Model): Line {
  const { list, view } = model
  const readOnly: Line = model.isReadOnly ? [{ text: 'read only  ', tone: 'wait' }] : []
  if (isText(model)) {
    const more = Math.max(paneLength(model) - paneHeight(model), 0)
    return [...readOnly, { text: more === 0 ? '' : model.back === 0 ? 'end ' : `${model.back} more `, tone: 'quiet' }]
  }
  if (view !== 'tasks') return readOnly
  const index = list.cursor === null ? -1 : list.order.indexOf(list.cursor)
  const parts = [
    list.marked.size > 0 ? `${list.marked.size} marked` : '',
    list.filter ? `/${list.filter}` : '',
    list.sort === 'activity' && !list.isReversed ? '' : `by ${list.sort}${list.isReversed ? ', reversed' : ''}`,
    list.order.length > 0 ? `${index + 1}/${list.order.length}` : '',
  ]
  return [...readOnly, { text: `${parts.filter(Boolean).join('  ')} `, tone: 'quiet' }]
}

/** From this width on there are two columns. */
const WIDE = 76
const PLACES = {
  task: 'an open task',
  node: 'an open node',
  schedule: 'an open schedule',
  schedules: 'the schedules',
  tasks: 'the tasks',
  nodes: 'the nodes',
  events: 'the events',
}

export function help(model: Model, height: number): Line[] {
  const { columns } = model.size
  const lines = helpLines(model)
  const room = height - 1
  const more = lines.length > room ? [{ text: 'j k scroll', tone: 'quiet' as const }] : []
  const title = rule([{ text: `keys for ${PLACES[placeOf(model)]}`, isBold: true }], columns, more)
  const top = Math.min(model.helpTop ?? 0, Math.max(lines.length - room, 0))
  return [title, ...lines.slice(top, top + room)]
}

export function helpLines(model: Model): Line[] {
  const { columns } = model.size
  const bindings = bindingsOf(model)
  if (columns < WIDE) return bindings.map(binding => cell(binding, columns))
  const half = Math.ceil(bindings.length / 2)
  const width = Math.floor(columns / 2)
  return bindings.slice(0, half).map((binding, row) => [...cell(binding, width), ...cell(bindings[row + half], width)])
}

function cell(binding: Binding | undefined, width: number): Line {
  if (!binding) return padLine([], width)
  return padLine([{ text: `  ${pad(binding.label, 7)}`, isBold: true }, { text: binding.help }], width)
}
