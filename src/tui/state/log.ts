/** An agent's output as lines: the newest ten thousand, harmless, in a value that grows. */
import { sanitize } from '../../text/sanitize.ts'

const LINES_MAX = 10_000
/** Of a line without an end only so many characters are kept. */
const LINE_MAX = 16_384

export interface Log {
  lines: readonly string[]
  /** The last line, as it came: not ended yet. */
  rest: string
}

export const EMPTY_LOG: Log = { lines: [], rest: '' }

export function appendLog(log: Log, text: string): Log {
  const pieces = (log.rest + text).split('\n')
  const rest = (pieces.pop() ?? '').slice(-LINE_MAX)
  if (pieces.length === 0) return { ...log, rest }
  const fresh = pieces.slice(-LINES_MAX).map(line => clean(line.slice(0, LINE_MAX)))
  return { lines: [...log.lines, ...fresh].slice(-LINES_MAX), rest }
}

/** All lines to show, with the one that is being written. */
export function linesOf({ lines, rest }: Log): readonly string[] {
  const last = clean(rest)
  return last === '' ? lines : [...lines, last]
}

function clean(line: string): string {
  return sanitize(`${line}\n`).slice(0, -1).replaceAll('\t', '  ')
}
