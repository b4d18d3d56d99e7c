/** Lines of the screen as values: pieces of text with a tone and a width. */
import stringWidth from 'string-width'
import { shorten } from '../../text/width.ts'
import type { Tone } from '../state/states.ts'

export interface Span {
  text: string
  tone?: Tone
  isBold?: boolean
  /** Drawn with the colours changed over: the row under the cursor. */
  isInverse?: boolean
}

export type Line = readonly Span[]

/** Text whose every character is one column wide: plain ASCII and the marks that the screen is made of. */
const NARROW = /^[\x20-\x7e●○◐✓✗…─│›»·×▶▲▼▮▯€←]*$/

/** One line of text, whatever it was, in exactly so many columns. */
export function pad(text: string, width: number): string {
  const line = flat(text)
  // Most cells are plain, and measuring costs more than drawing.
  if (NARROW.test(line))
    return line.length <= width ? line.padEnd(width) : `${line.slice(0, width - 1)}…`.slice(0, width)
  const short = width < 1 ? '' : shorten(line, width)
  return short + ' '.repeat(Math.max(width - stringWidth(short), 0))
}

export const textWidth = (text: string): number => (NARROW.test(text) ? text.length : stringWidth(text))

export function widthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + textWidth(text), 0)
}

/** The line cut or filled to exactly so many columns. */
export function padLine(line: Line, width: number): Span[] {
  const spans: Span[] = []
  let left = width
  for (const span of line) {
    const wide = widthOf([span])
    if (wide > left) return [...spans, { ...span, text: pad(span.text, left) }]
    spans.push(span)
    left -= wide
  }
  if (left > 0) spans.push({ text: ' '.repeat(left) })
  return spans
}

/** Something at the left end and something at the right; the left gives way. */
export function split(left: Line, right: Line, width: number): Line {
  const wide = widthOf(right)
  if (wide + 1 >= width) return padLine(left, width)
  return [...padLine(left, width - wide), ...right]
}

/** `── title ─────────` */
export function rule(title: Line, width: number, right: Line = []): Line {
  const used = widthOf(title) + widthOf(right) + 6
  if (used > width) return padLine([{ text: '─ ', tone: 'quiet' }, ...title], width)
  const line: Span[] = title.length === 0 ? [] : [{ text: '─ ', tone: 'quiet' }, ...title, { text: ' ', tone: 'quiet' }]
  const fill = width - widthOf(line) - widthOf(right) - (right.length > 0 ? 3 : 0)
  line.push({ text: '─'.repeat(Math.max(fill, 0)), tone: 'quiet' })
  return right.length > 0 ? [...line, { text: ' ' }, ...right, { text: ' ─', tone: 'quiet' }] : line
}

/** Spans with something between them. */
export function joined(spans: readonly Span[], between: string): Line {
  return spans.flatMap((span, index) => (index === 0 ? [span] : [{ text: between, tone: 'quiet' as const }, span]))
}

/** In pieces of so many characters; at least one. */
export function wrapped(text: string, width: number): string[] {
  const pieces: string[] = []
  for (let rest = [...text]; rest.length > 0 || pieces.length === 0; rest = rest.slice(width)) {
    pieces.push(rest.slice(0, width).join(''))
  }
  return pieces
}

function flat(text: string): string {
  return /[\t\n]/.test(text) ? text.replace(/[\t\n]+/g, ' ') : text
}

/** The lines as they are now, with those that did not change as they were; all of them when none did. */
export function kept(before: readonly Line[], now: readonly Line[]): readonly Line[] {
  const lines = now.map((line, index) => (isSame(before[index], line) ? (before[index] ?? line) : line))
  return lines.length === before.length && lines.every((line, index) => line === before[index]) ? before : lines
}

function isSame(a: Line | undefined, b: Line): boolean {
  const isSameSpan = ({ text, tone, isBold, isInverse }: Span, other: Span | undefined) =>
    text === other?.text && tone === other.tone && isBold === other.isBold && isInverse === other.isInverse
  return a !== undefined && a.length === b.length && a.every((span, index) => isSameSpan(span, b[index]))
}

/** Ages for cells: one unit, and coarse while young, so that a row that only grows older is seldom drawn anew. */
const YOUNG_STEP_S = 10

export function age(at: string | null, now: number): string {
  if (at === null) return ''
  const seconds = Math.max(now - Date.parse(at), 0) / 1_000
  if (seconds < YOUNG_STEP_S) return 'now'
  if (seconds < 60) return `${Math.floor(seconds / YOUNG_STEP_S) * YOUNG_STEP_S}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** The same of a time to come. */
export function ahead(at: string, now: number): string {
  const text = age(new Date(2 * now - Date.parse(at)).toISOString(), now)
  return text === 'now' ? text : `in ${text}`
}

/** The bar of the selection, over the whole row. */
export function barOf(line: Line, columns: number): Line {
  return [
    {
      text: padLine(line, columns)
        .map(({ text }) => text)
        .join(''),
      isInverse: true,
    },
  ]
}
