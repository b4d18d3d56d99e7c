/** What is counted and logged of a run once it is stored. */
import type { TdfError } from '../src/errors.ts'
import type { ReadTask } from '../src/store/attempts.ts'
import type { Engine } from './deps.ts'
import type { Outcome } from './outcome.ts'
import type { Transition } from './transition.ts'

/** `outcome` led from `before` to what was decided, in `ms`. */
export function report(
  engine: Engine,
  before: ReadTask,
  decided: Transition,
  outcome: Outcome | { kind: 'cancel' },
  ms: number,
): void {
  const { task, failure } = decided
  const reason = outcome.kind === 'retry' ? outcome.error.code : undefined
  if (before.step !== null) engine.metrics.ran(before.step, outcome.kind, ms, reason)
  if (before.step === task.step && before.status === task.status && failure === null) return
  const about = {
    task: task.id,
    attempt: task.attempt,
    step: before.step,
    to: task.step,
    status: task.status,
    node: task.nodeName,
    outcome: outcome.kind,
    ms: Math.round(ms),
  }
  engine.log.info(failure ? { ...about, ...reasonOf(failure.error) } : about, 'transition')
}

const reasonOf = (error: TdfError) => ({ code: error.code, class: error.class, err: error.message })
