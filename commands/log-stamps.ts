/** Each line of a log with the time at which it was written, to the second. */
import type { Cli } from './cli.ts'
import { type LogPlace, logMarks, type Mark } from './log-marks.ts'

export interface StampedLine {
  /** Such as `2026-11-24T18:04:05Z `; blank where nobody noted times. */
  stamp: string
  /** With its newline, unless the log ends without one. */
  line: Buffer
}

export interface Stamps {
  /** The lines that `bytes`, which begin at `offset` of the log, complete. */
  split(bytes: Buffer, offset: number): Promise<StampedLine[]>
  /** What has come of a line without an end. */
  rest(): StampedLine[]
}

const NEWLINE = 10
/** A line without an end is shown in pieces of this. */
const LINE_BYTES_MAX = 64 * 1024
const NO_TIME = ' '.repeat('2026-11-24T18:04:05Z '.length)

export function createStamps(cli: Cli, id: string, place: LogPlace): Stamps {
  let begun: Buffer = Buffer.alloc(0)
  let begunAt = 0
  let marks: Mark[] = []

  const stamped = (line: Buffer, offset: number): StampedLine => ({ stamp: stampOf(marks, offset), line })

  return {
    async split(bytes, offset) {
      // What is new may have been written since the last look.
      marks = await logMarks(cli, id, place)
      const text = begun.length === 0 ? bytes : Buffer.concat([begun, bytes])
      const textAt = offset - begun.length
      const lines: StampedLine[] = []
      let from = 0
      for (let to = text.indexOf(NEWLINE); to >= 0; to = text.indexOf(NEWLINE, from)) {
        lines.push(stamped(text.subarray(from, to + 1), textAt + from))
        from = to + 1
      }
      for (; text.length - from > LINE_BYTES_MAX; from += LINE_BYTES_MAX) {
        lines.push(stamped(text.subarray(from, from + LINE_BYTES_MAX), textAt + from))
      }
      begun = text.subarray(from)
      begunAt = textAt + from
      return lines
    },
    rest: () => (begun.length === 0 ? [] : [stamped(begun, begunAt)]),
  }
}

/** By the last mark at or before it: looked for from the end by halves, since a long log has thousands. */
function stampOf(marks: readonly Mark[], offset: number): string {
  let [low, high] = [0, marks.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((marks[middle]?.offset ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  const mark = marks[low - 1]
  return mark ? `${new Date(mark.at).toISOString().slice(0, 19)}Z ` : NO_TIME
}
