/** One task, one step: read it, run its handler, decide, save. The middle of the corridor. */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { isTerminal } from '../../src/core/task.ts'
import { type AttemptKey, type ReadTask, readAttempt } from '../../src/store/tables/attempts.ts'
import { openSignals, type Signal } from '../../src/store/tables/inbox.ts'
import { post } from '../../src/store/tables/outbox.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import type { Engine, JustWritten } from '../services.ts'
import { handlers } from '../steps/handlers.ts'
import { type Interruption, taskSubject } from './loop.ts'
import { decide } from './rules/decide.ts'
import { cancel } from './rules/ending.ts'
import { isKnownStep } from './rules/journey.ts'
import { type Outcome, usesOf } from './rules/outcome.ts'
import type { Transition } from './rules/transition.ts'
import { save } from './save.ts'
import { decisionInput, stepContext } from './step-context.ts'

/** A task whose step this build does not know waits so long for a build that does, in ms. */
const UNKNOWN_STEP_MS = 3_600_000
const BUG_RETRY_MS = 60_000

export async function runTask(engine: Engine, key: AttemptKey, interruption: Interruption): Promise<void> {
  const { store, world, loop } = engine
  const known = take(engine, key)
  const task = known?.task ?? (await readable(engine, key))
  if (!task || task.step === null) return
  const signals = known?.signals ?? openSignals(store.sql, key)
  const startedAt = world.clock.mono()
  const { outcome, decided } = await next(engine, task, signals, interruption)
  const uses = outcome.kind === 'cancel' ? cancelsIn(signals) : usesOf(outcome)
  const saved = await commit(engine, task, signals, decided, uses)
  if (!saved) return loop.schedule(taskSubject(key), world.clock.now())
  report(engine, task, decided, outcome, world.clock.mono() - startedAt)
}

/** Undefined when there is no such attempt, and when its row cannot be read: then it is put on record and left alone. */
async function readable(engine: Engine, key: AttemptKey): Promise<ReadTask | undefined> {
  try {
    return readAttempt(engine.store.sql, key)
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.code !== 'STATE_CORRUPT') throw thrown
    await quarantine(engine, key, error)
    return undefined
  }
}

/**
 * What the outcome before this one stored, if it was a moment ago: two of three reads of a row and of its JSON fall away,
 * and most looks into the inbox. `rev` and the count of wakes guard what is written.
 */
function take({ justWritten }: Engine, key: AttemptKey): JustWritten | undefined {
  const subject = taskSubject(key)
  const known = justWritten.get(subject)
  justWritten.delete(subject)
  return known
}

const cancelsIn = (signals: Signal[]) => signals.flatMap(({ kind, id }) => (kind === 'cancel' ? [id] : []))

interface Next {
  outcome: Outcome | { kind: 'cancel' }
  decided: Transition
}

async function next(engine: Engine, task: ReadTask, signals: Signal[], interruption: Interruption): Promise<Next> {
  if (!isTerminal(task.status) && signals.some(({ kind }) => kind === 'cancel')) {
    return { outcome: { kind: 'cancel' }, decided: cancel(task, decisionInput(engine)) }
  }
  const outcome = await attempt(engine, task, signals, interruption)
  try {
    return { outcome, decided: decide(task, outcome, decisionInput(engine)) }
  } catch (thrown) {
    const error = asTdfError(thrown)
    engine.log.error({ task: task.id, step: task.step, err: error.stack }, 'a decision could not be made')
    const waiting = {
      kind: 'wait',
      ms: BUG_RETRY_MS,
      why: taskWaits.internalError(error.message),
      looked: false,
    } as const
    return {
      outcome: waiting,
      decided: { ...decide(task, waiting, decisionInput(engine)), failure: { error, final: false } },
    }
  }
}

/** The handler's answer, or what it threw as one. */
async function attempt(
  engine: Engine,
  task: ReadTask,
  signals: Signal[],
  interruption: Interruption,
): Promise<Outcome> {
  const { step } = task
  if (step === null || !isKnownStep(step)) {
    const why = taskWaits.unknownStep(task.step)
    return { kind: 'wait', ms: UNKNOWN_STEP_MS, why, looked: false }
  }
  try {
    return await handlers[step].run(stepContext(engine, task, signals, interruption), task)
  } catch (thrown) {
    // A cancelled or stopping run costs nothing: the next look at the row says what comes now.
    if (interruption.signal.aborted)
      return { kind: 'wait', ms: 0, why: task.waitingFor ?? taskWaits.nextLook(), looked: false }
    return { kind: 'retry', error: asTdfError(thrown) }
  }
}

/** Saves the decision. A slot that was gone meanwhile is one more outcome, decided and saved in its turn. */
async function commit(
  engine: Engine,
  task: ReadTask,
  signals: Signal[],
  decided: Transition,
  uses: readonly number[],
): Promise<boolean> {
  const { store } = engine
  try {
    return await store.commit(() => save(engine, task, decided, uses, signals))
  } catch (thrown) {
    if (!(thrown instanceof TdfError) || thrown.code !== 'PLACEMENT_LOST') throw thrown
    const lost = decide(task, { kind: 'advance', to: 'node_selection' }, decisionInput(engine))
    return store.commit(() => save(engine, task, lost, []))
  }
}

/**
 * A task whose row cannot be read is left as it is: nothing of it is run, changed or removed, and everything else goes
 * on. It is put on record at each start, and `tdf db check` names it.
 */

export async function quarantine(engine: Engine, { id, attempt }: AttemptKey, error: TdfError): Promise<void> {
  const { store, log, world } = engine
  const at = world.clock.now()
  const { code, message } = error
  log.error({ task: id, attempt, code, err: message }, 'a task cannot be read and is left alone')
  const payload = { at, level: 'error', source: 'store', taskId: id, step: null, code, message, context: { attempt } }
  await store.commit(() => post(store.sql, { id: `corrupt-${id}-${attempt}-${at}`, kind: 'error', payload, dueAt: at }))
}

/** What is counted and logged of a run once it is stored. */

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
