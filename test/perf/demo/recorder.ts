/** Records a real terminal: what is on it, whenever that changes. */
import { setTimeout as pause } from 'node:timers/promises'
import { createScreen } from '../../support/screen/screen.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'
import type { Picture, Size } from './svg.ts'

const LOOK_MS = 80
const KEY_MS = 45
/** Where nothing happens for longer, the recording goes on sooner. */
const STILL_MS_MAX = 1_600

export interface Recorder {
  terminal: Tmux
  /** As a person does, letter by letter. */
  type(text: string): Promise<void>
  wait(ms: number): Promise<void>
  /** Everything so far is forgotten. */
  restart(): void
  /** Ends the recording; a second time, it only answers it again. */
  finish(): Promise<Picture[]>
}

export function record(env: Record<string, string>, size: Size): Recorder {
  const terminal = openTmux(env, size.columns, size.rows)
  let pictures: Picture[] = []
  let last = ''
  let now = 0
  let lookedAt = performance.now()
  let isOpen = true

  function look(): void {
    const text = terminal.styled()
    const at = performance.now()
    now += Math.min(at - lookedAt, LOOK_MS * 2)
    lookedAt = at
    if (text === last) return
    last = text
    const screen = createScreen(size.columns, size.rows)
    screen.write(text.split('\n').slice(0, size.rows).join('\r\n'))
    const before = pictures.at(-1)
    if (before) now = Math.min(now, before.at + STILL_MS_MAX)
    pictures.push({ at: Math.round(now), rows: screen.glyphs() })
  }

  const looking = (async () => {
    while (isOpen) {
      look()
      await pause(LOOK_MS)
    }
  })()

  return {
    terminal,
    wait: ms => pause(ms),
    async type(text) {
      for (const letter of text) {
        terminal.keys('-l', letter === ';' ? '\\;' : letter)
        await pause(KEY_MS)
      }
      await pause(300)
      terminal.keys('Enter')
    },
    restart() {
      pictures = []
      last = ''
      now = 0
    },
    async finish() {
      if (isOpen) {
        isOpen = false
        await looking.finally(() => terminal.close())
      }
      return pictures
    },
  }
}
