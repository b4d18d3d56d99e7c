/**
 * A stream of bytes as lines, with bounded memory. The bytes of a line that is too long go on in pieces; its text is
 * its JSON with long strings cut, so that an agent may print whole files and is understood all the same.
 */
import { openRoom } from '../../../clients/growing-buffer.ts'

export interface Lines {
  push(chunk: Buffer): void
  /** The stream has ended; what is left is the last line. */
  end(): void
}

const LINE_BYTES_MAX = 4 * 1024 * 1024
/** Of a line that is too long: what is kept of each of its strings. */
const STRING_BYTES_MAX = 16 * 1024
const NEWLINE = 10

/**
 * `onLine` gets each line whole, with its newline, in memory that is used again. One that is too long comes in pieces
 * without text, of which the last ends the line and has its shortened text; null when even that is too long.
 */
export function lineSplitter(onLine: (bytes: Buffer, text: string | null) => void, bytesMax = LINE_BYTES_MAX): Lines {
  const begun = openRoom()
  let short: Shortener | null = null
  const give = (bytes: Buffer, isEnd: boolean) => {
    if (!isEnd) short ??= shortener(Math.min(STRING_BYTES_MAX, bytesMax / 4), bytesMax)
    short?.push(bytes)
    if (!isEnd) return onLine(bytes, null)
    const text = short === null ? bytes.toString('utf8') : short.text()
    short = null
    onLine(bytes, text === null ? null : text.trimEnd())
  }
  const add = (bytes: Buffer, isEnd: boolean) => {
    if (isEnd && begun.size() === 0) return give(bytes, true)
    begun.add(bytes)
    if (isEnd || begun.size() > bytesMax) give(begun.take(), isEnd)
  }
  return {
    push: chunk => {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        add(chunk.subarray(from, at + 1), true)
        from = at + 1
      }
      if (from < chunk.length) add(chunk.subarray(from), false)
    },
    end: () => {
      if (begun.size() > 0 || short !== null) add(Buffer.from('\n'), true)
    },
  }
}

interface Shortener {
  push(bytes: Buffer): void
  /** Null: it is too long without its long strings, too. */
  text(): string | null
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75

/** One line of JSON without the ends of its long strings. A string is never cut within an escape. */
function shortener(stringBytesMax: number, bytesMax: number): Shortener {
  const kept = openRoom()
  let isTooLong = false
  /** Bytes of the string that it is in; null outside of strings. */
  let length: number | null = null
  let isEscaped = false
  /** Of the code of an escape. */
  let digitsLeft = 0
  let isCut = false
  const isKept = (byte: number): boolean => {
    if (length === null) {
      if (byte === QUOTE) length = 0
      isCut = false
      return true
    }
    length += 1
    if (digitsLeft > 0) digitsLeft -= 1
    else if (isEscaped) {
      isEscaped = false
      if (byte === LETTER_U) digitsLeft = 4
    } else if (byte === QUOTE) {
      length = null
      return true
    } else {
      isCut ||= length > stringBytesMax
      isEscaped = byte === BACKSLASH
    }
    return !isCut
  }
  return {
    push: bytes => {
      const found = Buffer.allocUnsafe(bytes.length)
      let size = 0
      for (const byte of bytes) {
        if (isKept(byte)) found[size++] = byte
      }
      isTooLong ||= kept.size() + size > bytesMax
      if (!isTooLong) kept.add(found.subarray(0, size))
    },
    text: () => (isTooLong ? null : kept.take().toString('utf8')),
  }
}
