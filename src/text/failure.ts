/**
 * The failure card: what failed, the last lines that it printed, why, and the one next command. One function for every
 * place that shows a failure: `submit --wait`, `watch`, `show`, the dashboard, notifications. Pure.
 */
import type { TaskJson } from '../protocol/control.ts'
import { oneLine, sanitize } from './sanitize.ts'
import type { Stage } from './steps.ts'

/** The part of a task of which the output is shown. */
export type FailedPart = 'agent' | 'setup' | 'check' | 'push' | 'fetch' | 'machine' | 'save'

export type Failing = Pick<TaskJson, 'id' | 'verdict' | 'error' | 'push'>

/** Whether a stage that the task has left is the one that failed. The fetch of a url lies before a machine was chosen. */
export function isFailedStage(task: Failing, stage: string): boolean {
  const failed = failureOf(task)?.stage
  return failed !== undefined && failed !== null && (failed === 'fetch' ? 'node_selection' : failed) === stage
}

export interface Failure {
  part: FailedPart
  /** What `tdf logs --session` calls the log of it; undefined is the newest session of the agent, null where there is none. */
  session: string | undefined | null
  /** The stage that is marked as failed; null for a push, which is no part of the run. */
  stage: Stage | null
}

/** What failed, by the code of the error; null for a task that did not fail. */
export function failureOf({ verdict, error, push }: Failing): Failure | null {
  if (verdict === 'cancelled') return null
  if (error === null) return push?.state === 'failed' ? { part: 'push', session: null, stage: null } : null
  if (error.code === 'CHECK_FAILED') return { part: 'check', session: 'check', stage: 'check' }
  const part = PARTS[error.code] ?? (error.step === 'salvage' ? 'save' : 'machine')
  return { part, session: SESSIONS[part], stage: part === 'fetch' ? 'fetch' : error.step }
}

const PARTS: Record<string, FailedPart> = {
  WORKSPACE_FAILED: 'setup',
  SOURCE_DENIED: 'fetch',
  SOURCE_UNAVAILABLE: 'fetch',
  REF_UNKNOWN: 'fetch',
  REPOSITORY_UNREADABLE: 'fetch',
  AGENT_FAILED: 'agent',
  AGENT_AUTH: 'agent',
  CANNOT_START: 'agent',
  USAGE_LIMIT: 'agent',
  BUDGET: 'agent',
  IDLE_TIMEOUT: 'agent',
  EXECUTION_TIMEOUT: 'agent',
  SALVAGE_FAILED: 'save',
}

const SESSIONS: Record<FailedPart, string | undefined | null> = {
  agent: undefined,
  setup: 'setup',
  check: 'check',
  push: null,
  fetch: null,
  machine: null,
  save: null,
}

const TITLES: Record<FailedPart, string> = {
  agent: 'the agent failed',
  setup: 'the workspace could not be set up',
  check: 'the check failed',
  push: 'the branch was not pushed',
  fetch: 'the repository could not be fetched',
  machine: 'its machine failed',
  save: 'the work could not be saved',
}

export interface CardLine {
  kind: 'title' | 'output' | 'why' | 'next'
  text: string
}

const OUTPUT_LINES_MAX = 10
const LINE_LENGTH_MAX = 400

/**
 * The lines of the card, harmless for a terminal; none for a task that did not fail. `tail` is the end of what failed
 * printed, as people read it; null or empty where there is none: then the error's own lines stand there, if it has several.
 */
export function failureCard(task: Failing, tail: string | null): CardLine[] {
  const failure = failureOf(task)
  if (failure === null) return []
  const { error, push } = task
  const pushWhy = `${push?.branch} could not be pushed to ${push?.remote}\n${push?.error ?? ''}`
  const [why = '', ...more] = sanitize(error?.message ?? pushWhy)
    .trim()
    .split('\n')
  const printed = endOf(tail ?? '')
  const output = printed.length > 0 ? printed : endOf(more.join('\n'))
  return [
    { kind: 'title', text: `✗ ${TITLES[failure.part]}` },
    ...output.map((text): CardLine => ({ kind: 'output', text: `│ ${text}` })),
    ...(why === '' ? [] : [{ kind: 'why', text: `because: ${cut(oneLine(why).replace(/:$/, ''))}` } as const]),
    { kind: 'next', text: `next:    ${oneLine(error?.hint ?? `tdf push ${task.id}`)}` },
  ]
}

/** The card as text, a line each. */
export const cardText = (card: readonly CardLine[]): string => card.map(({ text }) => text).join('\n')

/** The last lines that have anything in them. */
export function endOf(text: string): string[] {
  const lines = sanitize(text)
    .split('\n')
    .map(line => line.replaceAll('\t', '  ').trimEnd())
  return lines
    .filter(line => line.trim() !== '')
    .slice(-OUTPUT_LINES_MAX)
    .map(cut)
}

const cut = (line: string) => (line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line)
