/** The whole screen: one line fewer than the terminal has, since a frame as tall as it would clear the scrollback. */
import { board } from './board.ts'
import { head } from './detail.ts'
import { footer } from './footer.ts'
import { header } from './header.ts'
import { help } from './help.ts'
import { type Line, pad, rule, type Span } from './line.ts'
import type { Model } from './model.ts'
import { nodes } from './nodes.ts'
import { PANES, paneHeight, paneLines, startsAtTop } from './pane.ts'

const COLUMNS_MIN = 50
const ROWS_MIN = 10

export function frame(model: Model): Line[] {
  const { columns, rows } = model.size
  if (columns < COLUMNS_MIN || rows < ROWS_MIN) return tooSmall(model)
  const height = rows - 1
  const lines = [header(model), ...body(model, height - 2)]
  return [...filled(lines, height - 1), footer(model)]
}

function body(model: Model, height: number): Line[] {
  if (model.helpTop !== null) return help(model, height)
  if (model.isOpen) return [...head(model), tabs(model), ...content(model)]
  if (model.view === 'nodes') return nodes(model)
  if (model.view === 'events')
    return [rule([{ text: 'what happened, newest last', isBold: true }], model.size.columns), ...content(model)]
  return board(model)
}

function tabs(model: Model): Line {
  const names = PANES.flatMap((name): Span[] => [
    name === model.pane ? { text: `[${name}]`, isBold: true } : { text: ` ${name} `, tone: 'quiet' },
  ])
  const isHeld = model.back > 0
  return rule(names, model.size.columns, isHeld ? [{ text: 'held; f follows', tone: 'wait' }] : [])
}

/** The part of the pane that is on the screen. */
function content(model: Model): Line[] {
  const { columns } = model.size
  const height = paneHeight(model)
  const all = paneLines(model)
  if (all.length === 0) return [[], [{ text: '  nothing here yet', tone: 'quiet' }]]
  const back = startsAtTop(model) ? Math.max(all.length - height - model.back, 0) : model.back
  const end = all.length - back
  if (!model.isWrapped) return all.slice(Math.max(end - height, 0), end).map(text => drawn(text, columns, model))
  const lines: Line[] = []
  // From the end upwards, until the pane is full: nothing else is measured.
  for (let index = end - 1; index >= 0 && lines.length < height; index -= 1) {
    lines.unshift(...wrapped(all[index] ?? '', columns - 2).map(text => drawn(text, columns, model)))
  }
  return lines.slice(-height)
}

function drawn(text: string, columns: number, { pane, isOpen }: Model): Line {
  const tone = isOpen && pane === 'diff' ? DIFF[text[0] ?? ''] : undefined
  return [{ text: ` ${pad(text, columns - 1)}`, ...(tone ? { tone } : {}) }]
}

const DIFF: Record<string, Span['tone']> = { '+': 'good', '-': 'bad', '@': 'busy', d: 'quiet', i: 'quiet' }

function wrapped(text: string, width: number): string[] {
  const pieces: string[] = []
  for (let rest = [...text]; rest.length > 0 || pieces.length === 0; rest = rest.slice(width)) {
    pieces.push(rest.slice(0, width).join(''))
  }
  return pieces
}

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
