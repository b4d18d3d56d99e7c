/**
 * A small terminal: takes the bytes that a program writes and says what a person sees. Knows what tdf and the programs of
 * its tests write, and throws at anything else, so that nothing is seen that a terminal would not show.
 */
import stringWidth from 'string-width'

export interface Look {
  /** One of the sixteen colours by its number, or null for the terminal's own. */
  colour: number | null
  isBold: boolean
  isDim: boolean
  isInverse: boolean
}

export interface Glyph extends Look {
  text: string
}

export interface Screen {
  write(bytes: string): void
  /** What a person sees, a line each, without the blanks at its end. */
  lines(): string[]
  glyphs(): readonly (readonly Glyph[])[]
  resize(columns: number, rows: number): void
  count: { bytes: number; clears: number; writes: number }
  isAlternate: boolean
  hasCursor: boolean
}

/** Modes that change nothing of what is seen: synchronized updates, the alternate screen twice, reports of the mouse, signs of a paste. */
const MODES = ['?2026', '?1049', '?1000', '?1006', '?2004']

const PLAIN: Look = { colour: null, isBold: false, isDim: false, isInverse: false }
const TOKEN = /\x1b\[([0-9;?]*)([A-Za-z])|\x1b\](?:[^\x07\x1b]*)(?:\x07|\x1b\\)|[\s\S]/gu

export function createScreen(columns: number, rows: number): Screen {
  let look = PLAIN
  let size = { columns, rows }
  let at = { row: 0, column: 0 }
  let saved: Glyph[][] | null = null
  let grid: Glyph[][] = []
  const line = (row: number): Glyph[] => (grid[row] ??= [])
  const blank = (): Glyph => ({ text: ' ', ...PLAIN })

  function newline(): void {
    if (at.row < size.rows - 1) at.row += 1
    else grid = grid.slice(1)
  }

  function put(text: string): void {
    const width = stringWidth(text)
    if (width === 0) return
    if (at.column + width > size.columns) {
      at.column = 0
      newline()
    }
    const cells = line(at.row)
    while (cells.length < at.column) cells.push(blank())
    cells[at.column] = { text, ...look }
    for (let more = 1; more < width; more += 1) cells[at.column + more] = { text: '', ...look }
    at.column += width
  }

  /** What `CSI numbers letter` does. */
  function sequence(letter: string, [first, second]: readonly (number | undefined)[]): boolean {
    if (letter === 'H') at = { row: (first ?? 1) - 1, column: (second ?? 1) - 1 }
    else if (letter === 'A') at.row = Math.max(at.row - (first ?? 1), 0)
    else if (letter === 'G') at.column = (first ?? 1) - 1
    // A cursor behind the last column stands on it: erasing takes the last letter.
    else if (letter === 'K')
      grid[at.row] = first === 2 ? [] : line(at.row).slice(0, Math.min(at.column, size.columns - 1))
    else if (letter === 'J' && (first ?? 0) >= 2) {
      screen.count.clears += 1
      grid = []
    } else if (letter === 't') return true
    else if (letter === 'J') grid = [...grid.slice(0, at.row), line(at.row).slice(0, at.column)]
    else return false
    return true
  }

  function mode(name: string, isOn: boolean): void {
    if (name === '?25') screen.hasCursor = isOn
    else if (name === '?1049' && isOn !== screen.isAlternate) {
      const other = saved ?? []
      saved = isOn ? grid : null
      grid = isOn ? [] : other
      screen.isAlternate = isOn
    } else if (!MODES.includes(name)) throw new Error(`unknown mode ${name}`)
  }

  const screen: Screen = {
    count: { bytes: 0, clears: 0, writes: 0 },
    isAlternate: false,
    hasCursor: true,
    write(bytes) {
      screen.count.bytes += Buffer.byteLength(bytes)
      screen.count.writes += 1
      for (const [token, numbers = '', letter = ''] of bytes.matchAll(TOKEN)) {
        if (letter === 'h' || letter === 'l') mode(numbers, letter === 'h')
        else if (letter === 'm') look = numbers.split(';').map(Number).reduce(looked, look)
        else if (letter !== '') {
          const known = sequence(letter, numbers === '' ? [] : numbers.split(';').map(Number))
          if (!known) throw new Error(`unknown sequence ${JSON.stringify(token)}`)
        } else if (token === '\r') at.column = 0
        else if (token === '\n') newline()
        else if (token.length > 2 && token.startsWith('\x1b]')) continue
        else if (token < ' ') throw new Error(`unknown control ${JSON.stringify(token)}`)
        else put(token)
      }
    },
    lines: () =>
      Array.from({ length: size.rows }, (_, row) =>
        line(row)
          .map(({ text }) => text)
          .join('')
          .trimEnd(),
      ),
    glyphs: () => Array.from({ length: size.rows }, (_, row) => line(row)),
    resize(wide, high) {
      size = { columns: wide, rows: high }
    },
  }
  return screen
}

function looked(look: Look, number: number): Look {
  if (number === 0) return PLAIN
  if (number === 1) return { ...look, isBold: true }
  if (number === 2) return { ...look, isDim: true }
  if (number === 22) return { ...look, isBold: false, isDim: false }
  if (number === 7 || number === 27) return { ...look, isInverse: number === 7 }
  if (number >= 30 && number <= 37) return { ...look, colour: number - 30 }
  if (number >= 90 && number <= 97) return { ...look, colour: number - 82 }
  if (number === 39) return { ...look, colour: null }
  // The background is never anything but the terminal's own.
  if (number === 49) return look
  throw new Error(`unknown look ${number}`)
}
