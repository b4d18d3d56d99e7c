/**
 * Whether the terminal is light or dark, by its own answer (OSC 11). Nothing waits for it: it comes among what is typed, is
 * taken out there, however late it is, and a terminal that does not know the question says nothing.
 */
import type { Clock } from '../../platform/world.ts'

export type Brightness = 'light' | 'dark'

const ESCAPE = '\x1b'
const BELL = '\x07'
const QUESTION = `${ESCAPE}]11;?${BELL}`
/** The answer, and where its end was not read yet, its beginning. A lone escape is a key. */
const ANSWER = new RegExp(`${ESCAPE}\\]11;([^${BELL}${ESCAPE}]{0,64})(?:${BELL}|${ESCAPE}\\\\)`)
const BEGUN = new RegExp(`${ESCAPE}\\](?:1(?:1(?:;[^${BELL}${ESCAPE}]{0,64}${ESCAPE}?)?)?)?$`)
/** `rgb:RRRR/GGGG/BBBB`, each of one to four hexadecimal digits; some add the opacity. */
const COLOUR = /^rgba?:([0-9a-f]{1,4})\/([0-9a-f]{1,4})\/([0-9a-f]{1,4})/i
/** A terminal that did not answer by then does not know the question. */
const SILENT_MS = 2_000
/** As long one does not leave before the answer came, which the shell would take for typed. */
const LEAVE_MS = 200

export interface Background {
  /** The keyboard without the answer. */
  keyboard: NodeJS.ReadStream
  /** Writes the question, once. `heard` is called when and if the answer comes. */
  ask(heard: (brightness: Brightness) => void): void
  /** Resolves at once where nothing was asked, all is answered, or the terminal is a silent one. */
  settled(): Promise<void>
}

interface Terminal {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  clock: Clock
}

export function openBackground({ stdin, stdout, clock }: Terminal): Background {
  let isOpen = false
  let begun = ''
  let askedAt = Number.NEGATIVE_INFINITY
  let heard: (brightness: Brightness) => void = () => {}
  let settle: () => void = () => {}

  function withoutAnswer(text: string): string {
    const [answer, colour] = ANSWER.exec(text) ?? []
    if (answer === undefined) {
      begun = BEGUN.exec(text)?.[0] ?? ''
      return text.slice(0, text.length - begun.length)
    }
    isOpen = false
    begun = ''
    settle()
    const brightness = brightnessOf(colour ?? '')
    if (brightness !== null) heard(brightness)
    return text.replace(answer, '')
  }

  const read = () => {
    const chunk: string | Buffer | null = stdin.read()
    return chunk === null || !isOpen ? chunk : withoutAnswer(begun + chunk.toString())
  }
  return {
    keyboard: keyboardOf(stdin, read),
    ask(hear) {
      isOpen = true
      heard = hear
      askedAt = clock.mono()
      stdout.write(QUESTION)
    },
    settled: () =>
      new Promise(resolve => {
        if (!isOpen || clock.mono() - askedAt > SILENT_MS) return resolve()
        settle = resolve
        clock.timer(LEAVE_MS, resolve)
      }),
  }
}

/** Null for an answer that names no colour. The weights of red, green and blue are those of ITU-R BT.709. */
function brightnessOf(answer: string): Brightness | null {
  const [, ...channels] = COLOUR.exec(answer) ?? []
  const [red, green, blue] = channels.map(hex => Number.parseInt(hex, 16) / (16 ** hex.length - 1))
  if (red === undefined || green === undefined || blue === undefined) return null
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 ? 'light' : 'dark'
}

/** What Ink uses of a keyboard belongs to the real one; only what is read is another. */
function keyboardOf(stdin: NodeJS.ReadStream, read: () => unknown): NodeJS.ReadStream {
  const keyboard = Object.create(stdin, { read: { value: read } })
  for (const name of ['addListener', 'removeListener', 'setEncoding', 'setRawMode', 'ref', 'unref'] as const) {
    Object.defineProperty(keyboard, name, { value: stdin[name].bind(stdin) })
  }
  return keyboard
}
