/** The terminal itself: the alternate screen, left clean on every way out, and a stdout for Ink that takes whole frames. */
import process from 'node:process'
import { createPainter, type Painter } from './painter.ts'

/** Mode 1049 keeps the shell's screen and its scrollback; 2026 is a synchronized update that may be half done. */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?2026l\x1b[0m\x1b[?25h\x1b[?1049l'

export interface Terminal {
  /** What Ink draws on: every write is the changed lines of a frame. */
  canvas: NodeJS.WriteStream
  changed: Painter['changed']
  size(): { columns: number; rows: number }
  /** Also when in: the next frame is drawn whole. */
  enter(): void
  leave(): void
}

export interface Streams {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
}

export function openTerminal({ stdin, stdout }: Streams): Terminal {
  let isIn = false
  const painter = createPainter(
    text => void stdout.write(text),
    () => stdout.columns || 80,
  )
  const leave = () => {
    if (!isIn) return
    isIn = false
    stdin.setRawMode(false)
    stdout.write(LEAVE)
    process.off('exit', leave)
  }
  return {
    canvas: canvasOf(stdout, painter),
    changed: painter.changed,
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    enter() {
      stdout.write(ENTER)
      painter.reset()
      // A shell may have changed the modes of a stopped job, and setting what Node believes is set does nothing.
      stdin.setRawMode(false)
      stdin.setRawMode(true)
      if (!isIn) process.on('exit', leave)
      isIn = true
    },
    leave,
  }
}

/** A stdout without a size of its own: who draws is told of another one by the model, and by nobody else. */
function canvasOf(stdout: NodeJS.WriteStream, painter: Painter): NodeJS.WriteStream {
  const canvas = Object.create(stdout, {
    columns: { get: () => stdout.columns || 80 },
    write: {
      value: (text: string, ...rest: unknown[]) => {
        // Beside frames, Ink writes modes of the terminal, and nothing at all to hear when it was written.
        const heard = rest.find(isCallback)
        if (heard || text.startsWith('\x1b[?')) return stdout.write(text, heard)
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
