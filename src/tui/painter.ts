/**
 * Puts frames on the terminal: only lines that changed, each at its place, all of a frame in one write. Ink 6.8 draws a
 * frame as a whole, which costs with every cell of the window; so it is asked for the lines that changed and nothing
 * else. Its own incremental mode is one line off below the full height of the terminal, and at the full height it
 * clears screen and scrollback with every frame.
 */
import stringWidth from 'string-width'
import type { Line } from './line.ts'

/** Mode 2026: the terminal shows what is between as one picture. Terminals that do not know it ignore it. */
const BEGIN = '\x1b[?2026h'
const END = '\x1b[?2026l'
const REST = '\x1b[K'

export interface Painter {
  /** The places of those lines of a frame that are not on the terminal as they are: they have to be drawn. */
  changed(frame: readonly Line[]): readonly number[]
  /** The lines that `changed` named last, drawn, one below the other. */
  paint(drawn: string): void
  /** Nothing that was drawn is there any more: the next frame is drawn whole, on a cleared screen. */
  reset(): void
}

export function createPainter(write: (text: string) => void, columns: () => number): Painter {
  let shown: readonly Line[] = []
  let next: readonly Line[] = []
  let places: readonly number[] = []
  let isCleared = false
  return {
    changed(frame) {
      next = frame
      places = frame.flatMap((line, index) => (line === shown[index] ? [] : [index]))
      return places
    },
    paint(drawn) {
      const lines = drawn.split('\n')
      const wide = columns()
      const changes = places.map((place, index) => {
        const line = lines[index] ?? ''
        if (line === '' && isCleared) return ''
        // Behind a line as wide as the terminal there is no rest: erasing it would take the last letter.
        return `\x1b[${place + 1}H${line}${stringWidth(line) < wide && !isCleared ? REST : ''}`
      })
      shown = next
      if (changes.length > 0) write(`${BEGIN}${isCleared ? '\x1b[2J' : ''}${changes.join('')}${END}`)
      isCleared = false
    },
    reset() {
      shown = []
      isCleared = true
    },
  }
}
