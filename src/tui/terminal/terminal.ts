/**
 * The terminal itself: the alternate screen, left clean on every way out, and a stdout for Ink that takes whole
 * frames.
 */
import process from 'node:process'
import stringWidth from 'string-width'
import type { Line } from '../view/line.ts'

/**
 * Mode 1049 keeps the shell's screen and its scrollback; 2026 is a synchronized update that may be half done; 2004 tells
 * what is pasted from what is typed.
 */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?2004h'
const LEAVE = '\x1b[?2004l\x1b[?2026l\x1b[0m\x1b[?25h\x1b[?1049l'
/** Modes 1000 and 1006: presses and the wheel, with their places as numbers. */
const MOUSE_ON = '\x1b[?1000h\x1b[?1006h'
const MOUSE_OFF = '\x1b[?1006l\x1b[?1000l'
/** The terminal keeps the title that it had, and takes it back (XTWINOPS 22 and 23). */
const KEEP_TITLE = '\x1b[22;2t'
const OLD_TITLE = '\x1b[23;2t'

export interface Terminal {
  /** What Ink draws on: every write is the changed lines of a frame. */
  canvas: NodeJS.WriteStream
  changed: Painter['changed']
  size(): { columns: number; rows: number }
  /** Also when in: the next frame is drawn whole. */
  enter(): void
  leave(): void
  /** Of the window, until it is left. Nothing that comes from outside may be in it. */
  title(text: string): void
}

export interface Streams {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
}

export function openTerminal({ stdin, stdout, hasMouse }: Streams & { hasMouse: boolean }): Terminal {
  let isIn = false
  let titled = ''
  const painter = createPainter(
    text => void stdout.write(text),
    () => stdout.columns || 80,
  )
  const leave = () => {
    if (!isIn) return
    isIn = false
    stdin.setRawMode(false)
    stdout.write((hasMouse ? MOUSE_OFF : '') + LEAVE + OLD_TITLE)
    process.off('exit', leave)
  }
  return {
    canvas: canvasOf(stdout, painter),
    changed: painter.changed,
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    enter() {
      stdout.write((isIn ? '' : KEEP_TITLE) + ENTER + (hasMouse ? MOUSE_ON : ''))
      if (titled !== '') stdout.write(titled)
      painter.reset()
      // A shell may have changed the modes of a stopped job, and setting what Node believes is set does nothing.
      stdin.setRawMode(false)
      stdin.setRawMode(true)
      if (!isIn) process.on('exit', leave)
      isIn = true
    },
    leave,
    title(text) {
      const next = `\x1b]2;${text}\x07`
      if (next === titled) return
      titled = next
      if (isIn) stdout.write(titled)
    },
  }
}

/** A stdout without a size of its own: Ink learns of another size from the model alone. */
function canvasOf(stdout: NodeJS.WriteStream, painter: Painter): NodeJS.WriteStream {
  const canvas = Object.create(stdout, {
    columns: { get: () => stdout.columns || 80 },
    write: {
      value: (text: string, ...rest: unknown[]) => {
        // Beside frames, Ink writes modes of the terminal, and empty texts whose callback says that all is written.
        const callback = rest.find(isCallback)
        if (callback || text.startsWith('\x1b[?')) return stdout.write(text, callback)
        painter.paint(text)
        return true
      },
    },
  })
  for (const name of ['on', 'off', 'addListener', 'removeListener']) {
    Object.defineProperty(canvas, name, { value: () => canvas })
  }
  return canvas
}

const isCallback = (value: unknown): value is () => void => typeof value === 'function'

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

/**
 * Puts frames on the terminal: only lines that changed, each at its place, all of a frame in one write. Ink 6.8 draws a
 * frame as a whole, which costs with every cell of the window; so it is asked for the lines that changed and nothing
 * else. Its own incremental mode is one line off below the full height of the terminal, and at the full height it
 * clears screen and scrollback with every frame.
 */
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
        // After a line as wide as the terminal there is no rest: erasing it would take the last letter.
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
