/** Pictures of a terminal as SVG: sharp at any size, readable in light and dark, one that stands still or one that moves. */
import type { Glyph, Look } from '../../support/screen/screen.ts'

/** What was on the terminal from `at` on, in ms. */
export interface Picture {
  at: number
  rows: readonly (readonly Glyph[])[]
}

export interface Size {
  columns: number
  rows: number
}

const CELL = { width: 8.4, height: 19 }
const MARGIN = 16
const FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

/** By the number of the terminal's colour; 8 is its gray. */
const LIGHT = { paper: '#ffffff', ink: '#1f2328', edge: '#d0d7de', 1: '#cf222e', 2: '#1a7f37', 3: '#9a6700' }
const DARK = { paper: '#0d1117', ink: '#e6edf3', edge: '#30363d', 1: '#ff7b72', 2: '#3fb950', 3: '#d29922' }
const LIGHT_MORE = { 4: '#0969da', 5: '#8250df', 6: '#1b7c83', 8: '#656d76' }
const DARK_MORE = { 4: '#58a6ff', 5: '#bc8cff', 6: '#39c5cf', 8: '#8b949e' }

/** The last picture, drawn once. */
export function stillOf(pictures: readonly Picture[], size: Size, title: string): string {
  const last = pictures.at(-1)
  return documentOf(size, title, (last?.rows ?? []).map((row, index) => rowOf(row, index)).join('\n'))
}

/** All of them in a loop, which rests on the last for `restMs`. What cannot move shows the last. */
export function movieOf(pictures: readonly Picture[], size: Size, title: string, restMs: number): string {
  const endMs = (pictures.at(-1)?.at ?? 0) + restMs
  const rows = Array.from({ length: size.rows }, (_, index) =>
    spansOf(pictures, index, endMs)
      .map(({ row, from, to }) => shownBetween(rowOf(row, index), from / endMs, to / endMs, endMs))
      .join('\n'),
  )
  return documentOf(size, title, rows.filter(row => row !== '').join('\n'))
}

interface Span {
  row: readonly Glyph[]
  from: number
  to: number
}

/** What one row showed, one after the other: most rows change seldom. */
function spansOf(pictures: readonly Picture[], index: number, endMs: number): Span[] {
  const spans: Span[] = []
  let last = ''
  pictures.forEach(({ at, rows }) => {
    const row = rows[index] ?? []
    const drawn = rowOf(row, index)
    if (spans.length > 0 && drawn === last) return
    last = drawn
    const before = spans.at(-1)
    if (before) before.to = at
    spans.push({ row, from: at, to: endMs })
  })
  return spans.filter(({ row }) => rowOf(row, 0) !== '')
}

function shownBetween(drawn: string, from: number, to: number, durationMs: number): string {
  if (from === 0 && to === 1) return drawn
  const time = (share: number) => share.toFixed(5).replace(/0+$/, '').replace(/\.$/, '')
  const values = [...(from > 0 ? ['0'] : []), '1', ...(to < 1 ? ['0'] : [])]
  const times = ['0', ...(from > 0 ? [time(from)] : []), ...(to < 1 ? [time(to)] : [])]
  const animate = `<animate attributeName="opacity" calcMode="discrete" dur="${durationMs}ms" repeatCount="indefinite" values="${values.join(';')}" keyTimes="${times.join(';')}"/>`
  return `<g opacity="${to === 1 ? 1 : 0}">${animate}${drawn}</g>`
}

function rowOf(row: readonly Glyph[], index: number): string {
  const y = MARGIN + index * CELL.height
  return runsOf(row)
    .map(({ text, column, look }) => {
      const x = number(MARGIN + column * CELL.width)
      const width = number([...text].length * CELL.width)
      const classes = [
        look.colour === null ? '' : `c${look.colour}`,
        look.isBold ? 'b' : '',
        look.isInverse ? 'i' : '',
      ].filter(Boolean)
      const paper = look.isInverse
        ? `<rect x="${x}" y="${number(y)}" width="${width}" height="${CELL.height}" class="r"/>`
        : ''
      const named = classes.length > 0 ? ` class="${classes.join(' ')}"` : ''
      const fitted = [...text].length > 1 ? ` textLength="${width}"` : ''
      return `${paper}<text x="${x}" y="${number(y + 14)}"${fitted}${named}>${escaped(text)}</text>`
    })
    .join('')
}

interface Run {
  text: string
  column: number
  look: Look
}

/** Pieces of one look, without the blanks between words where nothing is behind them. */
function runsOf(row: readonly Glyph[]): Run[] {
  const runs: Run[] = []
  row.forEach((glyph, column) => {
    const before = runs.at(-1)
    if (before && isSame(before.look, glyph)) before.text += glyph.text
    else runs.push({ text: glyph.text, column, look: glyph })
  })
  return runs.flatMap(run => (run.look.isInverse ? [run] : wordsOf(run)))
}

function wordsOf({ text, column, look }: Run): Run[] {
  return [...text.matchAll(/\S+(?: \S+)*/g)].map(match => ({ text: match[0], column: column + match.index, look }))
}

const isSame = (a: Look, b: Look) =>
  a.colour === b.colour && a.isBold === b.isBold && a.isDim === b.isDim && a.isInverse === b.isInverse

function documentOf({ columns, rows }: Size, title: string, body: string): string {
  const width = number(columns * CELL.width + 2 * MARGIN)
  const height = number(rows * CELL.height + 2 * MARGIN)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" xml:space="preserve">
<title>${escaped(title)}</title>
<style>${styleOf({ ...LIGHT, ...LIGHT_MORE })}@media(prefers-color-scheme:dark){${styleOf({ ...DARK, ...DARK_MORE })}}text{font:14px ${FONT};white-space:pre}.b{font-weight:700}</style>
<rect x="0.5" y="0.5" width="${Number(width) - 1}" height="${Number(height) - 1}" rx="8" class="p"/>
${body}
</svg>
`
}

function styleOf({ paper, ink, edge, ...colours }: typeof LIGHT & typeof LIGHT_MORE): string {
  const named = Object.entries(colours).map(([name, value]) => `.c${name}{fill:${value}}`)
  return `.p{fill:${paper};stroke:${edge}}text,.r{fill:${ink}}${named.join('')}text.i{fill:${paper}}`
}

const number = (value: number) => String(Math.round(value * 10) / 10)
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
