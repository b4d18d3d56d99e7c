/** A stream of bytes as lines, with bounded memory: of a line that is too long its bytes go on, but no text is made. */
import { openRoom } from '../../room.ts'

export interface Lines {
  push(chunk: Buffer): void
  /** The stream has ended; what is left is the last line. */
  end(): void
}

const LINE_BYTES_MAX = 4 * 1024 * 1024
const NEWLINE = 10

/**
 * `onLine` gets each line whole, with its newline, in memory that is used again; its text is null when it was too long,
 * and then the bytes come in pieces, of which the last ends the line.
 */
export function lineSplitter(onLine: (bytes: Buffer, text: string | null) => void, bytesMax = LINE_BYTES_MAX): Lines {
  const begun = openRoom()
  let isOverlong = false
  const give = (bytes: Buffer, isEnd: boolean) => {
    isOverlong ||= !isEnd
    onLine(bytes, isOverlong ? null : bytes.toString('utf8').trimEnd())
    if (isEnd) isOverlong = false
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
      if (begun.size() > 0) add(Buffer.from('\n'), true)
    },
  }
}
