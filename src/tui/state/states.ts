/** The state of a task or a node on the screen: a symbol and a word first, a colour third. */
import { isTerminal, STATUSES, type Status, type Verdict } from '../../core/task.ts'
import type { NodeJson } from '../../protocol/control.ts'
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import { stageName, stageOf } from '../../text/steps.ts'

export type Tone = 'good' | 'bad' | 'busy' | 'wait' | 'you' | 'quiet'

export interface State {
  symbol: string
  word: string
  tone: Tone
}

/** A task as it is known. */
export interface Row {
  task: ScreenTaskJson
  /** Why it waits, in a sentence; null when it is over or not asked for yet. */
  why: string | null
  /** Something happened to it since it was read: what events do not carry is old. */
  isStale: boolean
}

/** What the state of a task depends on. */
type Stated = Pick<ScreenTaskJson, 'status' | 'step' | 'verdict' | 'waitingFor' | 'repo'>

/** The first row that fits a task counts. */
const STATES: readonly {
  fits(task: Pick<Stated, 'status' | 'step'> & { verdict: string | null }): boolean
  symbol: string
  tone: Tone
  word?: string
}[] = [
  { fits: ({ step }) => step === 'awaiting_followup', symbol: '?', tone: 'you' },
  { fits: ({ status }) => status === 'parked', symbol: '=', tone: 'wait', word: 'parked' },
  { fits: ({ step }) => step === 'node_selection', symbol: '○', tone: 'quiet' },
  { fits: ({ status }) => status === 'queued', symbol: '○', tone: 'wait' },
  { fits: ({ status }) => status === 'delegated', symbol: '◐', tone: 'busy' },
  { fits: ({ status }) => status === 'in_progress', symbol: '▶', tone: 'busy' },
  { fits: ({ verdict }) => verdict === 'no_change', symbol: '✓', tone: 'quiet' },
  { fits: ({ verdict }) => verdict === 'unverified', symbol: '~', tone: 'wait' },
  { fits: ({ status }) => status === 'completed', symbol: '✓', tone: 'good' },
  { fits: ({ status }) => status === 'cancelled', symbol: '-', tone: 'quiet', word: 'cancelled' },
  { fits: () => true, symbol: '✗', tone: 'bad' },
]

/** Beside its sign, what went wrong is said by where. */
const ENDS: Readonly<Record<string, string>> = {
  no_change: 'no change',
  check_failed: 'check',
  agent_error: 'agent',
  permission_denied: 'permission',
  infrastructure: 'machine',
} satisfies Partial<Record<Verdict, string>>

export function stateOf(task: Stated): State {
  const { status, verdict } = task
  const row = STATES.find(({ fits }) => fits(task))
  const word = row?.word ?? (isEnded(task) ? wordOf(status, verdict) : stageName(stageOf(task) ?? status))
  return { symbol: row?.symbol ?? ' ', tone: row?.tone ?? 'quiet', word }
}

/** Of a task of which no more is known; until it is over, its status. */
export function endOf(known: { status: string; verdict: string | null }): State {
  const status = STATUSES.find(name => name === known.status) ?? 'queued'
  const { verdict } = known
  const row = STATES.find(({ fits }) => fits({ status, step: null, verdict }))
  const word = isTerminal(status) ? wordOf(status, verdict) : status.replace('_', ' ')
  return { symbol: row?.symbol ?? ' ', tone: row?.tone ?? 'quiet', word }
}

const wordOf = (status: Status, verdict: string | null) => (verdict === null ? status : (ENDS[verdict] ?? verdict))

export function isEnded({ status }: Pick<ScreenTaskJson, 'status'>): boolean {
  return isTerminal(status)
}

/** Groups of the header's summary, most urgent first; a task is in the first that fits it. */
export const GROUPS: readonly {
  word: string
  symbol: string
  tone: Tone
  fits(task: Pick<ScreenTaskJson, 'status' | 'step'>): boolean
}[] = [
  { word: 'need you', symbol: '?', tone: 'you', fits: ({ step }) => step === 'awaiting_followup' },
  { word: 'running', symbol: '▶', tone: 'busy', fits: ({ status }) => status === 'in_progress' },
  { word: 'starting', symbol: '◐', tone: 'busy', fits: ({ status }) => status === 'delegated' },
  { word: 'queued', symbol: '○', tone: 'quiet', fits: ({ status }) => status === 'queued' },
  { word: 'parked', symbol: '=', tone: 'wait', fits: ({ status }) => status === 'parked' },
  { word: 'failed', symbol: '✗', tone: 'bad', fits: ({ status }) => status === 'failed' },
  { word: 'done', symbol: '✓', tone: 'good', fits: ({ status }) => status === 'completed' },
]

const NODE_STATES: Record<string, { symbol: string; tone: Tone }> = {
  ready: { symbol: '●', tone: 'good' },
  warm: { symbol: '○', tone: 'good' },
  draining: { symbol: '◐', tone: 'wait' },
  held: { symbol: '!', tone: 'you' },
  lost: { symbol: '✗', tone: 'bad' },
  failed: { symbol: '✗', tone: 'bad' },
  destroyed: { symbol: '-', tone: 'quiet' },
}

export function nodeStateOf({ status }: NodeJson): State {
  return { word: status, ...(NODE_STATES[status] ?? { symbol: '◐', tone: 'busy' }) }
}
