/** Of what an agent or a check printed, the one line that a row of the list has room for. */
import { sanitize } from '../../text/sanitize.ts'

const LINE_MAX = 200
const FAILED =
  /\b(?:error|errors|fail|failed|failing|failure|failures|fatal|panic|exception|cannot|denied|assert\w*)\b|\w+Error\b|\bnot ok\b|[✗✕✖]/i
/** Sums of a run that say that there were none. */
const NONE = /\b(?:0|no) (?:errors?|fail\w*)\b|\b(?:errors?|fail\w*)[:=]? 0\b/gi

function linesIn(text: string): string[] {
  return sanitize(text)
    .split('\n')
    .map(line => line.replace(/\s+/g, ' ').trim().slice(0, LINE_MAX))
    .filter(line => line !== '')
}

/** Null for a text with nothing in it. */
export function lastLine(text: string): string | null {
  return linesIn(text).at(-1) ?? null
}

/** The first line that speaks of a failure, else the last one; null for a text with nothing in it. */
export function causeIn(text: string): string | null {
  const lines = linesIn(text)
  return lines.find(line => FAILED.test(line.replace(NONE, ''))) ?? lines.at(-1) ?? null
}
