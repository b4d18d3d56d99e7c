/** A stream of bytes as lines, with bounded memory: of a line that is too long its bytes go on, but no text is made. */

export interface Lines {
  push(chunk: Buffer): void
  /** The stream has ended; what is left is the last line. */
  end(): void
}

const LINE_BYTES_MAX = 8 * 1024 * 1024
const NEWLINE = 10

/**
 * `onLine` gets each line whole, with its newline; its text is null when it was too long, and then the bytes come in
 * pieces, of which the last ends the line.
 */
export function lineSplitter(onLine: (bytes: Buffer, text: string | null) => void, bytesMax = LINE_BYTES_MAX): Lines {
  let parts: Buffer[] = []
  let size = 0
  let isOverlong = false
  const flush = () => {
    const bytes = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
    parts = []
    size = 0
    return bytes
  }
  const add = (bytes: Buffer, isEnd: boolean) => {
    parts.push(bytes)
    size += bytes.length
    if (!isEnd && size <= bytesMax) return
    isOverlong ||= !isEnd
    const whole = flush()
    onLine(whole, isOverlong ? null : whole.toString('utf8').trimEnd())
    if (isEnd) isOverlong = false
  }
  return {
    push: chunk => {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        add(chunk.subarray(from, at + 1), true)
        from = at + 1
      }
      if (from < chunk.length) add(Buffer.from(chunk.subarray(from)), false)
    },
    end: () => {
      if (size > 0) add(Buffer.from('\n'), true)
    },
  }
}
