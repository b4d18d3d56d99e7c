/** How an attempt ends: the verdict falls, the work is brought home, what was made outside is undone. */
import { TdfError } from '../../../src/core/errors.ts'
import { type CleanupKind, isTerminal, statusOf, type Task, type Verdict } from '../../../src/core/task.ts'
import { stageNow } from '../../../src/text/steps.ts'
import { journey } from './journey.ts'
import { isPushedByRace } from './race.ts'
import {
  cleanupOf,
  type DecisionInput,
  enter,
  eventsBetween,
  type Transition,
  taskEvent,
  transition,
  type Write,
} from './transition.ts'

/** Steps in which the agent may have begun to work, so that there may be work to save. */
const MAY_HAVE_WORKED: readonly (string | null)[] = ['agent_session', 'running', 'awaiting_followup']

/** Ends a live task with a verdict that is not the agent's success. */
export function end(
  task: Task,
  verdict: Verdict,
  error: TdfError,
  input: DecisionInput,
  writes: Write[] = [],
): Transition {
  const judged = judge(task, verdict, error, input)
  const all = [...writes, ...consequences(task, judged, input)]
  const after = MAY_HAVE_WORKED.includes(task.step) ? enter(judged, 'salvage', input, all) : undo(judged, input, all)
  const events = eventsBetween(task, after.task, input, error.message)
  return { ...after, events, failure: { error, final: true } }
}

/** Ends a live task because its user said so. In salvage the work is still brought home first. */
export function cancel(task: Task, input: DecisionInput): Transition {
  const error = new TdfError('CANCELLED', `task ${task.id} was cancelled`)
  if (task.step !== 'salvage') return { ...end(task, 'cancelled', error, input), failure: null }
  const judged = judge(task, 'cancelled', error, input)
  if (task.facts.held) return { ...goOnWithout(task, judged, error, input, []), failure: null }
  return transition(task, { ...judged, wakeAt: input.now }, consequences(task, judged, input), input, error.message)
}

/** Leaves salvage: a task without a verdict gets the one that it brings along. */
export function toCleanup(task: Task, input: DecisionInput, writes: Write[]): Transition {
  if (isTerminal(task.status)) return undo(task, input, writes)
  if (task.verdict === null) throw new TdfError('BUG', `task ${task.id} left salvage without a verdict`)
  const judged = judge(task, task.verdict, null, input)
  const after = undo(judged, input, [...writes, ...consequences(task, judged, input)])
  return { ...after, events: eventsBetween(task, after.task, input, `verdict ${task.verdict}`) }
}

/** A step ran out of time. */
export function late(task: Task, input: DecisionInput, writes: Write[]): Transition {
  const { step } = task
  if (step === null) throw new TdfError('BUG', `task ${task.id} is late without a step`)
  if (step === 'salvage') return giveUpSalvage(task, input, writes)
  const { code, verdict } = journey[step].late
  const seconds = Math.round(Math.max(input.now - task.stepEnteredAt, 0) / 1000)
  const waiting = task.waitingFor ? `; it was waiting for: ${task.waitingFor}` : ''
  return end(
    task,
    verdict,
    new TdfError(code, `${stageNow(step, task.nodeName)} was not done after ${seconds} s${waiting}`),
    input,
    writes,
  )
}

/** Nothing is left to do, or what is left is the sweep's. */
export function finish(task: Task, cleanup: 'done' | 'failed', input: DecisionInput): Transition {
  const next: Task = {
    ...task,
    step: null,
    wakeAt: null,
    deadlineAt: null,
    waitingFor: null,
    cleanup,
    updatedAt: input.now,
  }
  return transition(task, next, [], input)
}

/**
 * The work cannot be had now: its workspace stays and its node is held until it can be. A task without a verdict waits with
 * it, for what comes late is judged like what comes in time, and no attempt repeats work that may still come. It gives up
 * at `held_max`, or when the work is discarded.
 */
function giveUpSalvage(task: Task, input: DecisionInput, writes: Write[]): Transition {
  const why = task.waitingFor || 'it did not answer'
  if (task.facts.saved && !isTerminal(task.status)) {
    const error = new TdfError(
      'STEP_DEADLINE',
      `the work of ${task.id} is saved, but its check was not seen to end: ${why}`,
    )
    return end(task, 'infrastructure', error, input, writes)
  }
  const error = new TdfError('SALVAGE_FAILED', `the work of ${task.id} is still on ${task.nodeName}: ${why}`)
  if (isTerminal(task.status)) return goOnWithout(task, task, error, input, writes)
  if (task.facts.held) return goOnWithout(task, judge(task, 'infrastructure', error, input), error, input, writes)
  const deadlineAt = input.now + input.config.nodes.heldMax
  const held: Task = {
    ...task,
    facts: { ...task.facts, held: true },
    deadlineAt,
    wakeAt: input.now,
    updatedAt: input.now,
  }
  const event = taskEvent('task.held', held, { reason: error.message, until: deadlineAt })
  const holding: Write[] = [...writes, ...cleanupOf(task, 'salvage'), { kind: 'hold_node' }]
  return { task: held, events: [event], writes: holding, failure: { error, final: false } }
}

/** What a task without its work becomes; the work is still asked for. */
function goOnWithout(task: Task, judged: Task, error: TdfError, input: DecisionInput, writes: Write[]): Transition {
  const held: Task = { ...judged, cleanup: 'pending', facts: { ...judged.facts, held: true } }
  const after = enter(held, 'cleanup', input, [
    ...writes,
    ...consequences(task, judged, input),
    ...cleanupOf(task, 'salvage', 'stop_workspace', 'delete_workspace'),
    { kind: 'hold_node' },
  ])
  return { ...after, events: eventsBetween(task, after.task, input, error.message), failure: { error, final: true } }
}

function undo(task: Task, input: DecisionInput, writes: Write[]): Transition {
  // What could not be read is still there: it is asked for again, and nothing goes before it.
  const first: CleanupKind[] = task.facts.kept ? ['salvage'] : []
  const undoing = cleanupOf(task, ...first, 'stop_workspace', 'delete_workspace')
  return enter({ ...task, cleanup: 'pending' }, 'cleanup', input, [...writes, ...undoing, { kind: 'drop_reservation' }])
}

function judge(task: Task, verdict: Verdict, error: TdfError | null, input: DecisionInput): Task {
  const recorded = error && {
    code: error.code,
    message: error.message,
    hint: error.hint.replaceAll('{task}', task.id).replaceAll('{node}', task.nodeName ?? ''),
    step: task.step,
    class: error.class,
  }
  return { ...task, status: statusOf(verdict), verdict, completedAt: input.now, error: recorded }
}

/** Another attempt would meet them too. */
const SAME_AGAIN = ['WORKSPACE_FAILED', 'SANDBOX_UNAVAILABLE', 'NO_RESULT']

/** What a fallen verdict sets in motion: the next attempt after a machine's fault, while there may be one; the push. */
function consequences(before: Task, judged: Task, input: DecisionInput): Write[] {
  if (isTerminal(before.status)) return []
  const again =
    judged.verdict === 'infrastructure' &&
    !SAME_AGAIN.some(code => code === judged.error?.code) &&
    judged.attempt < input.config.runner.maxAttempts
  if (again) return [{ kind: 'next_attempt' }]
  const isWanted = judged.status === 'completed' && judged.spec.push && (judged.result?.ahead ?? 0) > 0
  return isWanted && !isPushedByRace(judged) ? [{ kind: 'push' }] : []
}
