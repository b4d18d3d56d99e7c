/**
 * Text from elsewhere, made harmless for a terminal: what an agent printed, named a file or answered may move the
 * cursor, set the title, write the clipboard or turn the reading order round. Imports nothing.
 */

/** OSC, DCS, PM, APC and SOS: up to their end, or to the end of the line when none comes. */
const STRINGS = /(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\n\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?/g
const SEQUENCES = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g
/** C0 without tab and newline, DEL, C1, and the marks that reorder text. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/g

/** Keeps newlines and tabs. Of a line that was written over with a carriage return, the last writing is left. */
export function sanitize(text: string): string {
  const plain = text.replace(STRINGS, '').replace(SEQUENCES, '')
  const written = plain.includes('\r') ? plain.split('\n').map(lastWriting).join('\n') : plain
  return written.replace(CONTROLS, '')
}

const COLOUR = /^\x1b\[[\d;]*m$/
const COLOURS_AND_CONTROLS = new RegExp(`(\\x1b\\[[\\d;]*m)|${CONTROLS.source}`, 'g')

/** As `sanitize`, with colours, bold and the like left in: nothing else, and nothing that hides text. */
export function sanitizeColoured(text: string): string {
  const plain = text.replace(STRINGS, '').replace(SEQUENCES, found => (COLOUR.test(found) ? found : ''))
  const written = plain.includes('\r') ? plain.split('\n').map(lastWriting).join('\n') : plain
  return written.replace(COLOURS_AND_CONTROLS, (_, colour?: string) =>
    colour === undefined ? '' : visibleColour(colour),
  )
}

/** Without 8, which hides; the numbers behind 38, 48 and 58 name a colour and mean nothing else (ECMA-48, ITU T.416). */
function visibleColour(sequence: string): string {
  const codes = sequence.slice(2, -1).split(';')
  const kept: string[] = []
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? ''
    const length = ['38', '48', '58'].includes(code) ? ({ 5: 3, 2: 5 }[Number(codes[at + 1])] ?? 1) : 1
    if (Number(code) !== 8 || code === '') kept.push(...codes.slice(at, at + length))
    at += length - 1
  }
  return kept.length === 0 ? '' : `\x1b[${kept.join(';')}m`
}

export interface Cleaner {
  /** The next piece of a text, cut anywhere. What may be half of a sequence waits for the rest of its line. */
  push(text: string): string
  rest(): string
}

const HELD_MAX = 64 * 1024

/** Cleans a text that comes in pieces; `clean` is one of the two above. */
export function cleaner(clean: (text: string) => string): Cleaner {
  let held = ''
  return {
    push(text) {
      const all = held + text
      const from = all.lastIndexOf('\n') + 1
      const isHeld = all.length - from <= HELD_MAX && /[\x1b\r\x80-\x9f]/.test(all.slice(from))
      held = isHeld ? all.slice(from) : ''
      return clean(isHeld ? all.slice(0, from) : all)
    },
    rest() {
      const last = held
      held = ''
      return clean(last)
    },
  }
}

/** By hand: a pattern for it looks at each place of a long line anew, and a line may have megabytes. */
function lastWriting(line: string): string {
  let end = line.length
  while (end > 0 && line[end - 1] === '\r') end -= 1
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end)
}

/** For a cell or a heading: one line, with runs of white space as one space. */
export function oneLine(text: string): string {
  return sanitize(text).replace(/\s+/g, ' ').trim()
}

const BEYOND_C0 = /[\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/g

/** A value as JSON that is safe to print: what controls a terminal is written as `\uXXXX`, and parses to the same value. */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? 'null'
  return text.replace(BEYOND_C0, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Everything that would end a line, move a cursor or turn the reading direction, as an escape of JSON. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/gu, hidden => {
    return `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
