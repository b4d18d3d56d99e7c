/** Attempts of a task in words: one line each, and the word that an earlier one is better than the last. An older daemon names none. */
import type { TaskJson } from '../protocol/control.ts'
import { oneLine } from './sanitize.ts'

type AttemptJson = TaskJson['attempts'][number]
type Known = Pick<AttemptJson, 'attempt' | 'verdict'>
type Tried = Pick<TaskJson, 'id' | 'attempt' | 'status'> & { attempts: readonly Known[] }

/** Beside an attempt that failed: the newest earlier one that was verified, else completed with a change; null without one. */
export function earlierText({ id, attempt, status, attempts = [] }: Tried): string | null {
  if (status !== 'failed' && status !== 'cancelled') return null
  const before = attempts.filter(one => one.attempt < attempt)
  const verified = before.findLast(({ verdict }) => verdict === 'verified')
  const best = verified ?? before.findLast(({ verdict }) => verdict === 'unverified')
  return best ? `attempt ${best.attempt} was ${best.verdict}: tdf pull ${id}@${best.attempt}` : null
}

const PROMPT_CHARS = 60

/** Number, verdict, commit, check, cost, and the first line of what was asked. Null for a task with one attempt. */
export function attemptLines({ attempts = [] }: Pick<TaskJson, 'attempts'>): string | null {
  if (attempts.length < 2) return null
  return attempts.map(attemptLine).join('\n')
}

function attemptLine({ attempt, status, verdict, commit, check, usage, prompt }: AttemptJson): string {
  const parts = [
    `${attempt} ${verdict ?? status}`,
    commit?.slice(0, 12),
    check && `${oneLine(check.command)} (exit ${check.exitCode ?? 'none'})`,
    usage && usage.costUsd !== null ? `$${usage.costUsd.toFixed(2)}` : null,
    oneLine(prompt.split('\n', 1)[0] ?? '').slice(0, PROMPT_CHARS),
  ]
  return parts.filter(Boolean).join('  ')
}
