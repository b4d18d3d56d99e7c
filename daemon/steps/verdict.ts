/**
 * What the end of a session means, as a table: the first row that holds counts. Only an agent that said so itself has
 * succeeded; a plain command has when its exit code is 0. What comes after a good end are git facts and the check.
 */
import { type ErrorCode, TdfError } from '../../src/core/errors.ts'
import { hasMade, savedOf } from '../../src/core/saved.ts'
import type { ExitFacts, Task, Verdict } from '../../src/core/task.ts'
import { LOST_UNDER_RUN } from '../../src/protocol/shapes.ts'
import { advance, fail, type Outcome, type StepPatch } from '../engine/rules/outcome.ts'

export type End =
  | { kind: 'well' }
  /** The agent's credential has used what it may until `resetAt`; null when the agent did not say when. */
  | { kind: 'limit'; resetAt: number | null; error: TdfError }
  /** It was ended from outside, with its machine or its supervisor: its conversation can go on. */
  | { kind: 'interrupted'; verdict: Verdict; error: TdfError }
  | { kind: 'ill'; verdict: Verdict; error: TdfError }

interface Row {
  holds(exit: ExitFacts, task: Task): boolean
  verdict: Verdict
  code: ErrorCode
  /** Stands in the message; what the agent said comes after it. */
  what: string
}

const WITH_ITS_MACHINE: readonly (string | null)[] = Object.values(LOST_UNDER_RUN)

const ROWS: readonly Row[] = [
  // Not the agent's doing: another attempt may have more luck.
  row('infrastructure', 'NODE_LOST', 'ended', exit => WITH_ITS_MACHINE.includes(exit.errorMessage)),
  row('timeout', 'EXECUTION_TIMEOUT', 'was ended by its time limit', exit => exit.errorMessage === 'timeout'),
  row('timeout', 'IDLE_TIMEOUT', 'did nothing for too long and was ended', exit => exit.errorMessage === 'idle'),
  row('budget', 'BUDGET', 'has cost what it may', exit => exit.outcome === 'budget' || exit.failure === 'budget'),
  row(
    'permission_denied',
    'AGENT_FAILED',
    'was denied a permission that it needed',
    exit => exit.outcome === 'permission_denied',
  ),
  row(
    'agent_error',
    'USAGE_LIMIT',
    'reached its usage limit',
    exit => exit.outcome === 'usage_limit' || exit.failure === 'usage_limit',
  ),
  row('agent_error', 'AGENT_AUTH', 'could not log in', exit => exit.failure === 'auth'),
  row('agent_error', 'AGENT_FAILED', 'ended', exit => exit.outcome === 'error'),
  row('agent_error', 'AGENT_FAILED', 'ended', exit => exit.exitCode !== 0),
  row(
    'agent_error',
    'AGENT_FAILED',
    'ended without a word about how its work ended',
    (exit, { spec }) => spec.agent.type !== 'command' && exit.outcome !== 'success',
  ),
]

function row(verdict: Verdict, code: ErrorCode, what: string, holds: Row['holds']): Row {
  return { verdict, code, what, holds }
}

export function endOf(task: Task, exit: ExitFacts): End {
  const found = ROWS.find(({ holds }) => holds(exit, task))
  if (!found) return { kind: 'well' }
  const error = new TdfError(found.code, messageOf(task, exit, found))
  if (found.code === 'USAGE_LIMIT') return { kind: 'limit', resetAt: exit.resetAt ?? null, error }
  // Its time and its money are over whoever ended it; everything else may have been cut off.
  const isOver = found.verdict === 'timeout' || found.verdict === 'budget'
  if (exit.failure === 'interrupted' && !isOver) return { kind: 'interrupted', verdict: found.verdict, error }
  return { kind: 'ill', verdict: found.verdict, error }
}

function messageOf(task: Task, exit: ExitFacts, { what }: Row): string {
  const how = exit.signal === null ? `with exit code ${exit.exitCode}` : `by ${exit.signal}`
  const isNamed = exit.errorMessage === 'timeout' || exit.errorMessage === 'idle'
  const said = (isNamed ? null : exit.errorMessage) ?? (exit.outcome === 'none' ? null : exit.summary)
  return `the agent of ${task.id} ${what === 'ended' ? `ended ${how}` : what}${said ? `: ${said}` : ''}`
}

/** Not only in commits ahead: HEAD may have moved back, and what was made may lie beside it or be left out. */
function changedAnything({ result, facts }: Task): boolean {
  if (result === null) return false
  const work = savedOf(facts.salvage)
  return result.ahead > 0 || result.salvaged || (work !== null && hasMade(work))
}

/**
 * The verdict of a run that ended well: by git facts and the check, never by the agent's report alone. `checkExitCode` is
 * null when no check was asked for, or when the check did not end by itself.
 */
export function judge(task: Task, checkExitCode: number | null, patch: StepPatch = {}): Outcome<'cleanup'> {
  const { result, spec } = task
  const check = spec.check === null ? null : { command: spec.check, exitCode: checkExitCode }
  const checked: StepPatch = result ? { ...patch, result: { ...result, check } } : patch
  if (check && check.exitCode !== 0) {
    const how = check.exitCode === null ? 'did not end' : `ended with exit code ${check.exitCode}`
    return fail(new TdfError('CHECK_FAILED', `the check "${check.command}" ${how}`), 'check_failed', checked)
  }
  if (!changedAnything(task)) return advance('cleanup', { ...checked, verdict: 'no_change' })
  return advance('cleanup', { ...checked, verdict: check ? 'verified' : 'unverified' })
}
