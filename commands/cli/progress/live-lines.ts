/**
 * Lines at the bottom of a terminal that are written over as things change, with lines above them that stay. Inline: the
 * scrollback is the shell's, and every end of the process leaves the terminal as it was.
 */
import { sanitize } from '../../../src/text/sanitize.ts'
import { shorten, widthOf } from '../../../src/text/width.ts'
import { type Paint, tinted } from '../colour.ts'

export interface LiveLines {
  /** A line that stays, above those that change. */
  print(text: string): void
  /** What is shown from now on; long lines are shortened to the width of the terminal. */
  show(lines: readonly string[]): void
  /** Takes the changing lines away. */
  end(): void
}

const COLUMNS = 80

/** Rows that these lines take: a window that became narrower has broken them in two, and their colours take no room. */
export function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(Math.ceil(widthOf(sanitize(line)) / columns), 1), 0)
}

/** Goes so many rows up, and takes away what stands from there on. */
export const backOver = (rows: number) => `\r${rows > 0 ? `\x1b[${rows}A` : ''}\x1b[J`

/** Node hears of a new width a moment after the terminal has it, which is enough to miscount broken lines. */
export function refreshSize(to: NodeJS.WriteStream & { _refreshSize?(): void }): void {
  to._refreshSize?.()
}

export function liveLines(to: NodeJS.WriteStream, paint?: Paint): LiveLines {
  let lines: readonly string[] = []
  /** As they stand on the terminal. */
  let drawn: readonly string[] = []

  /** In one write, so that no half of it is seen. */
  function draw(kept = ''): void {
    refreshSize(to)
    const columns = to.columns || COLUMNS
    const above = rowsOf(drawn, columns) - 1
    // A line as wide as the terminal would put the cursor below it, and so would the ^C that is echoed behind it.
    drawn = lines.map(line => shorten(sanitize(line).replace(/\s*\n\s*/g, ' '), columns - 3))
    to.write(`${backOver(above)}${kept}${drawn.map(line => tinted(line, paint)).join('\n')}`)
  }

  return {
    print: text => draw(`${tinted(sanitize(text), paint)}\n`),
    show(next) {
      lines = next
      draw()
    },
    end() {
      if (lines.length === 0) return
      lines = []
      draw()
    },
  }
}
