/**
 * Puts frames on the terminal: only lines that changed, each at its place, all of a frame in one write. Ink 6.8 could do
 * that itself, but its incremental mode is one line off below the full height of the terminal, and at the full height it
 * clears screen and scrollback with every frame.
 */
import stringWidth from 'string-width'

/** Mode 2026: the terminal shows what is between as one picture. Terminals that do not know it ignore it. */
const BEGIN = '\x1b[?2026h'
const END = '\x1b[?2026l'
const REST = '\x1b[K'

export interface Painter {
  paint(frame: string): void
  /** Nothing that was drawn is there any more: the next frame is drawn whole, on a cleared screen. */
  reset(): void
}

export function createPainter(write: (text: string) => void, columns: () => number): Painter {
  let shown: readonly string[] = []
  let isCleared = false
  return {
    paint(frame) {
      const lines = frame.split('\n')
      const wide = columns()
      const changes = Array.from({ length: Math.max(lines.length, shown.length) }, (_, index) => {
        const line = lines[index] ?? ''
        if (line === (shown[index] ?? '') && !isCleared) return ''
        if (line === '' && isCleared) return ''
        // Behind a line as wide as the terminal there is no rest: erasing it would take the last letter.
        return `\x1b[${index + 1}H${line}${stringWidth(line) < wide && !isCleared ? REST : ''}`
      }).join('')
      shown = lines
      if (changes !== '' || isCleared) write(`${BEGIN}${isCleared ? '\x1b[2J' : ''}${changes}${END}`)
      isCleared = false
    },
    reset() {
      shown = []
      isCleared = true
    },
  }
}
