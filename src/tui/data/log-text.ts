/** The bytes of a log as what a person reads, with the time before each line where that is wanted. */
import { createStamps, logMarks, type StampedLine } from '../../clients/log-times.ts'
import { clockTime } from '../../text/times.ts'
import { renderer } from '../../transcript/render.ts'
import type { Parts } from './remote.ts'

export interface LogText {
  /** The next bytes, which begin at `offset` of the log. */
  push(bytes: Buffer, offset: number): Promise<string>
  /** What is left when there is no more. Call it once. */
  rest(): string
}

export interface LogPlace extends Pick<Parts, 'remote' | 'signal'> {
  id: string
  /** `log` is the session of the task. */
  of: 'log' | 'check'
}

export function logText(place: LogPlace, hasTimes: boolean): LogText {
  if (hasTimes) return timedText(place)
  const render = renderer()
  const decoder = new TextDecoder()
  return {
    push: async bytes => render.push(decoder.decode(bytes, { stream: true })),
    rest: () => render.rest(),
  }
}

/** Lines appear once they are whole. Times that cannot be read keep no log from being shown. */
function timedText({ remote, signal, id, of }: LogPlace): LogText {
  const render = renderer()
  const place = of === 'check' ? { signal, session: of } : { signal }
  const stamps = createStamps(() => logMarks(remote, id, place).catch(() => []))
  const timed = (lines: readonly StampedLine[]) => lines.map(timedLine).join('')
  const timedLine = ({ stamp, line }: StampedLine) =>
    render.push(line.toString('utf8')).replace(/^(?=.)/gm, before(stamp))
  return {
    push: async (bytes, offset) => timed(await stamps.split(bytes, offset)),
    rest: () => timed(stamps.rest()) + render.rest(),
  }
}

const UNKNOWN = ' '.repeat('18:04:05  '.length)

const before = (stamp: string) => (stamp.trim() === '' ? UNKNOWN : `${clockTime(stamp.trim())}  `)
