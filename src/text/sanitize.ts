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

/** A value as JSON whose text is harmless too: the same value, with what a terminal would obey written as `\uXXXX`. */
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
