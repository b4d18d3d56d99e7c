/** Each line of a log with the time at which it was written, to the second. */
import { TdfError } from '../core/errors.ts'
import type { Client } from './control.ts'

export interface StampedLine {
  /** Such as `2026-11-24T18:04:05Z `; blank where no times were noted. */
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
/** The node's word; a year of five digits has another form. */
const TIME_MS_MAX = Date.UTC(10_000, 0)
const NO_TIME = ' '.repeat('2026-11-24T18:04:05Z '.length)

/** `readMarks` answers the times that are noted by now, and is asked whenever there is more of the log. */
export function createStamps(readMarks: () => Promise<Mark[]>): Stamps {
  let begun: Buffer = Buffer.alloc(0)
  let begunAt = 0
  let marks: Mark[] = []

  const stamped = (line: Buffer, offset: number): StampedLine => ({ stamp: stampOf(marks, offset), line })

  return {
    async split(bytes, offset) {
      // What is new may have been written since the last look.
      marks = await readMarks()
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

export interface Mark {
  /** Unix ms. */
  at: number
  /** The byte that was written then, and those behind it up to the next mark. */
  offset: number
}

export interface LogPlace {
  signal: AbortSignal
  session?: string
}

/** In the order of the log; empty where no times were noted. Throws AGENT_PROTOCOL when they cannot be read. */
export async function logMarks(
  client: Pick<Client, 'raw'>,
  id: string,
  { signal, session }: LogPlace,
): Promise<Mark[]> {
  const which = session === undefined ? '' : `?session=${encodeURIComponent(session)}`
  const { body } = await client.raw({ path: `/tasks/${id}/log-times${which}`, signal })
  const lines = body.toString('latin1').trimEnd()
  if (lines === '') return []
  return lines.split('\n').map(line => {
    const [at = Number.NaN, offset = Number.NaN] = line.split(' ').map(Number)
    if (Number.isInteger(at) && at >= 0 && at < TIME_MS_MAX && Number.isSafeInteger(offset)) return { at, offset }
    throw new TdfError('AGENT_PROTOCOL', `the times of the log of ${id} cannot be read`)
  })
}
