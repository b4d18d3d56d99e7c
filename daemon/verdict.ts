/** The verdict of a run that ended well: git facts and the check, never the agent's word alone. */
import { TdfError } from '../src/errors.ts'
import type { Task, TaskResult } from '../src/task.ts'
import { advance, fail, type Outcome } from './outcome.ts'

/** `checkExitCode` is null when no check was asked for, or when the check did not end by itself. */
export function judge(task: Task, checkExitCode: number | null): Outcome<'cleanup'> {
  const { result, spec } = task
  const check = spec.check === null ? null : { command: spec.check, exitCode: checkExitCode }
  const checked: { result?: TaskResult } = result ? { result: { ...result, check } } : {}
  if (check && check.exitCode !== 0) {
    const how = check.exitCode === null ? 'did not end' : `ended with exit code ${check.exitCode}`
    return fail(new TdfError('CHECK_FAILED', `the check "${check.command}" ${how}`), 'check_failed', checked)
  }
  const changed = result !== null && (result.ahead > 0 || result.salvaged)
  if (!changed) return advance('cleanup', { ...checked, verdict: 'no_change' })
  return advance('cleanup', { ...checked, verdict: check ? 'verified' : 'unverified' })
}
