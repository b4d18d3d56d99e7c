/** What keys ask for: effects outside of the model, and the questions, lines and forms that come before them. */

/** What an open task shows below its facts. */
export type Pane = 'log' | 'check' | 'diff' | 'events' | 'prompt'

/** What a key does outside the model, as a value; `perform.ts` does it. */
export type Effect =
  | { kind: 'quit' }
  | { kind: 'suspend' }
  | { kind: 'cancel' | 'retry' | 'forget'; ids: readonly string[] }
  /** What the commands of these names do. */
  | { kind: Taking; id: string }
  | { kind: 'shell'; id: string }
  | { kind: 'send'; id: string; text: string }
  | { kind: 'continue'; id: string; text: string }
  | { kind: 'drain'; node: string; isUndo: boolean }
  | { kind: 'schedule'; name: string; verb: 'run' | 'pause' | 'resume' }
  | { kind: 'submit'; task: NewTask }
  /** The prompt of a new task in the user's editor. */
  | { kind: 'compose'; task: NewTask }
  | { kind: 'copy'; text: string }
  | { kind: 'stream'; id: string }
  | { kind: 'page'; id: string; pane: Pane }

/** Ways to take a result along. */
export type Taking = 'pull' | 'apply' | 'push'

/** An empty agent is the default one, an empty check none, an empty repository that of the current folder. */
export interface NewTask {
  prompt: string
  agent: string
  check: string
  repo: string
}

export const FIELDS = ['prompt', 'agent', 'check', 'repo'] as const satisfies readonly (keyof NewTask)[]
export type Field = (typeof FIELDS)[number]

/** What asks: a question answered by a letter, a line to type, or a form. */
export type Prompt =
  | { kind: 'confirm'; question: string; effect: Effect }
  | { kind: 'line'; label: string; text: string; for: 'filter' | 'search' }
  | { kind: 'line'; label: string; text: string; for: 'send' | 'continue'; id: string }
  | { kind: 'form'; task: NewTask; at: Field }

/** The key that a pasted text is begins so; the text follows. */
export const PASTE = 'paste:'

/** A pasted novel is not a prompt for this line. */
const TEXT_MAX = 4_000

/** What a key makes of a text that is typed; `isLong` for one that may have several lines. */
export function typed(text: string, key: string, isLong = false): string {
  if (key === 'backspace') return [...text].slice(0, -1).join('')
  if (key === 'ctrl-u') return ''
  if (key === 'ctrl-w') return text.replace(/\S*\s*$/, '')
  if (key.startsWith(PASTE)) {
    const pasted = key.slice(PASTE.length)
    return (text + (isLong ? pasted : pasted.trim().replaceAll('\n', ' '))).slice(0, TEXT_MAX)
  }
  if (key === 'space') return `${text} `.slice(0, TEXT_MAX)
  return [...key].length === 1 ? (text + key).slice(0, TEXT_MAX) : text
}
