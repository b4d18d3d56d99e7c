/** The line at the bottom that asks: a question answered by a letter, or a line to type. */
import type { Effect } from './effects.ts'

export type Prompt =
  | { kind: 'confirm'; question: string; effect: Effect }
  | { kind: 'line'; label: string; text: string; for: 'filter' | 'search' }
  | { kind: 'line'; label: string; text: string; for: 'send'; id: string }

/** A pasted novel is not a prompt for this line. */
const LINE_MAX = 4_000

/** What a key makes of a line that is typed. */
export function typed(text: string, key: string): string {
  if (key === 'backspace') return [...text].slice(0, -1).join('')
  if (key === 'ctrl-u') return ''
  if (key === 'ctrl-w') return text.replace(/\S*\s*$/, '')
  if (key === 'space') return `${text} `.slice(0, LINE_MAX)
  return [...key].length === 1 ? (text + key).slice(0, LINE_MAX) : text
}
