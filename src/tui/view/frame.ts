/** The whole screen: one line fewer than the terminal has, since a frame as tall as it would clear the scrollback. */

import { board } from '../lists/board.ts'
import { nodePane } from '../lists/node.ts'
import { nodes } from '../lists/nodes.ts'
import { schedulePane } from '../lists/schedule.ts'
import { schedules } from '../lists/schedules.ts'
import { isTaskOpen, type Model } from '../state/model.ts'
import { cutAtHits, hitsOf } from '../state/search.ts'
import { head } from './detail.ts'
import { footer, help } from './footer.ts'
import { form } from './form.ts'
import { header } from './header.ts'
import { type Line, pad, rule, type Span, wrapped } from './line.ts'
import { PANES, paneHeight, paneLines, startsAtTop } from './pane.ts'

const COLUMNS_MIN = 50
const ROWS_MIN = 10

export function frame(model: Model): Line[] {
  const { columns, rows } = model.size
  if (columns < COLUMNS_MIN || rows < ROWS_MIN) return tooSmall(model)
  const height = rows - 1
  const shown = body(model, height - 2)
  const lines = [header(model), ...(model.awaySince === null ? shown : shown.map(dimmed))]
  return [...filled(lines, height - 1), footer(model)]
}

/** The state when the daemon last answered. */
function dimmed(line: Line): Line {
  return line.map(span => ({ ...span, tone: 'quiet' as const, isBold: false }))
}

function body(model: Model, height: number): Line[] {
  if (model.helpTop !== null) return help(model, height)
  if (model.prompt?.kind === 'form') return form(model, model.prompt)
  if (isTaskOpen(model)) {
    if (!model.rows.has(model.open ?? '')) return forgotten(model)
    return [...head(model), tabs(model), ...content(model)]
  }
  if (model.view === 'nodes') return model.open === null ? nodes(model) : nodePane(model)
  if (model.view === 'schedules') return model.open === null ? schedules(model) : schedulePane(model)
  if (model.view === 'events')
    return [
      rule([{ text: 'what happened, newest last', isBold: true }], model.size.columns, found(model)),
      ...content(model),
    ]
  return board(model)
}

/** Elsewhere, while it is open here. */
function forgotten({ open, size }: Model): Line[] {
  return [rule([{ text: `${open} was forgotten`, isBold: true }], size.columns)]
}

function tabs(model: Model): Line {
  const names = PANES.flatMap((name): Span[] => [
    name === model.pane ? { text: `[${name}]`, isBold: true } : { text: ` ${name} `, tone: 'quiet' },
  ])
  return rule(names, model.size.columns, model.search.text === '' ? held(model) : found(model))
}

function held({ back, keys }: Model): Line {
  const [key] = keys.follow
  return back > 0 ? [{ text: key ? `held; ${key} follows` : 'held', tone: 'wait' }] : []
}

/** What is looked for, and at which hit one is. */
function found(model: Model): Line {
  if (model.search.text === '') return []
  const { lines, at } = hitsOf(model)
  const count = lines.length === 0 ? 'not here' : `${at < 0 ? '' : `${at + 1} of `}${lines.length}`
  return [{ text: `/${pad(model.search.text, 24).trimEnd()}  ${count}`, tone: lines.length === 0 ? 'bad' : 'you' }]
}

/** The part of the pane that is on the screen. */
function content(model: Model): Line[] {
  const { columns } = model.size
  const height = paneHeight(model)
  const all = paneLines(model)
  if (all.length === 0) return [[], [{ text: '  nothing here yet', tone: 'quiet' }]]
  const back = startsAtTop(model) ? Math.max(all.length - height - model.back, 0) : model.back
  const end = all.length - back
  if (!model.isWrapped) {
    const top = Math.max(end - height, 0)
    return all.slice(top, end).map((text, index) => drawn(text, columns, model, top + index))
  }
  const lines: Line[] = []
  // From the end upwards, until the pane is full: nothing else is measured.
  for (let index = end - 1; index >= 0 && lines.length < height; index -= 1) {
    lines.unshift(...wrapped(all[index] ?? '', columns - 2).map(text => drawn(text, columns, model, index)))
  }
  return lines.slice(-height)
}

/** `place` is that of the line in the whole text. */
function drawn(text: string, columns: number, model: Model, place: number): Line {
  const { pane, search } = model
  const tone = isTaskOpen(model) && pane === 'diff' ? DIFF[text[0] ?? ''] : undefined
  const look = tone ? { tone } : {}
  const [first = '', ...rest] = cutAtHits(pad(text, columns - 1), search.text)
  const mark = search.line === place ? '›' : ' '
  return [
    { text: mark + first, ...look },
    ...rest.map((piece, index) => ({ text: piece, ...look, ...(index % 2 === 0 ? { isInverse: true } : {}) })),
  ]
}

const DIFF: Record<string, Span['tone']> = { '+': 'good', '-': 'bad', '@': 'busy', d: 'quiet', i: 'quiet' }

function filled(lines: readonly Line[], height: number): Line[] {
  return [...lines.slice(0, height), ...Array.from({ length: Math.max(height - lines.length, 0) }, (): Line => [])]
}

function tooSmall({ size: { columns, rows } }: Model): Line[] {
  return filled(
    [
      [{ text: pad(` window too small: ${columns}×${rows}, ${COLUMNS_MIN}×${ROWS_MIN} is enough`, columns) }],
      [{ text: ' q quits' }],
    ],
    Math.max(rows - 1, 1),
  )
}
