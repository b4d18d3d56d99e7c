/** The last line: a question, what came of an action, or the keys that matter here. */
import { bindingsOf } from './keys.ts'
import { type Line, padLine, type Span, split, widthOf } from './line.ts'
import type { Model } from './model.ts'
import { paneHeight, paneLength } from './pane.ts'

export function footer(model: Model): Line {
  const { columns } = model.size
  const { prompt, notice } = model
  if (prompt?.kind === 'confirm')
    return padLine([{ text: ` ${prompt.question} `, tone: 'you', isBold: true }, { text: 'y/N' }], columns)
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
  const spans = shown.flatMap(({ label, short }): Span[] => [
    { text: label, isBold: true },
    { text: ` ${short}  `, tone: 'quiet' },
  ])
  return [{ text: ' ' }, ...spans]
}

function place(model: Model): Line {
  const { list, view } = model
  if (model.isOpen || view === 'events') {
    const more = Math.max(paneLength(model) - paneHeight(model), 0)
    return [{ text: more === 0 ? '' : model.back === 0 ? 'end ' : `${model.back} more `, tone: 'quiet' }]
  }
  if (view !== 'tasks') return []
  const index = list.cursor === null ? -1 : list.order.indexOf(list.cursor)
  const parts = [
    model.isReadOnly ? 'read only' : '',
    list.marked.size > 0 ? `${list.marked.size} marked` : '',
    list.filter ? `/${list.filter}` : '',
    list.sort === 'activity' && !list.isReversed ? '' : `by ${list.sort}${list.isReversed ? ', reversed' : ''}`,
    list.order.length > 0 ? `${index + 1}/${list.order.length}` : '',
  ]
  return [{ text: `${parts.filter(Boolean).join('  ')} `, tone: 'quiet' }]
}
