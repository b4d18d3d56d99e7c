/**
 * The life of a hop, one step of one attempt: read the row and its signals → run the step → decide what follows → save it
 * in one transaction → report it. Waits and further hops are the loop's: what is saved names the next wake.
 */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { type AttemptKey, isTerminal } from '../../src/core/task.ts'
import { type ReadTask, readAttempt } from '../../src/store/tables/attempts.ts'
import { openSignals, type Signal } from '../../src/store/tables/inbox.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { recordFailure } from '../reporting/failures.ts'
import type { Engine, JustWritten } from '../services.ts'
import { handlers } from '../steps/handlers.ts'
import { decisionInput } from './effects/input.ts'
import { type Interruption, taskSubject } from './loop.ts'
import { decide } from './rules/decide.ts'
import { isKnownStep, rowOf } from './rules/journey.ts'
import { type Outcome, usesOf } from './rules/outcome.ts'
import type { Transition } from './rules/transition.ts'
import { save } from './save.ts'
import { stepContext } from './step-context.ts'

/** A task at a step that only a newer build knows is looked at again after this time, in ms. */
const UNKNOWN_STEP_MS = 3_600_000
const BUG_RETRY_MS = 60_000

/** An attempt as it was read, with the signals that it has not used. */
interface Seen {
  task: ReadTask
  signals: Signal[]
}

/** Runs the step at which the attempt is. Nothing happens when there is no such attempt or when it is over. */
export async function runTask(engine: Engine, key: AttemptKey, interruption: Interruption): Promise<void> {
  const seen = await read(engine, key)
  if (!seen) return
  const { clock } = engine.world
  const startedAt = clock.mono()
  const outcome = await runStep(engine, seen, interruption)
  const decided = decideNext(engine, seen.task, outcome)
  const isSaved = await saveOutcome(engine, seen, outcome, decided)
  // Another writer moved the attempt meanwhile: the hop counts for nothing, and what is stored now is run.
  if (!isSaved) return engine.loop.schedule(taskSubject(key), clock.now())
  report(engine, seen.task, decided, outcome, clock.mono() - startedAt)
}

/**
 * The row and its open signals, from the hop before where that was a moment ago, else from the database. A row that is
 * damaged is put on record and left as it is: nothing of it is run, changed or removed, and `tdf db check` names it.
 */
async function read(engine: Engine, key: AttemptKey): Promise<Seen | undefined> {
  const { sql } = engine.store
  const known = takeJustWritten(engine, key)
  try {
    const task = known?.task ?? readAttempt(sql, key)
    if (!task || task.step === null) return undefined
    const seen = { task, signals: known?.signals ?? openSignals(sql, key) }
    // What the step does outside follows from it: should it never be stored, another daemon goes on from before it.
    const settled = known?.signals ? undefined : engine.store.settled()
    if (settled) await settled
    return seen
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.code !== 'STATE_CORRUPT') throw thrown
    await quarantine(engine, key, error)
    return undefined
  }
}

/**
 * What the hop before this one stored, if it was a moment ago: two of three reads of a row and of its JSON fall away, and
 * most looks into the inbox. Without it the throughput row takes 6 to 10 % more processor time a task (24 runs in turn).
 * `rev` and the count of wakes guard what is written.
 */
function takeJustWritten({ justWritten }: Pick<Engine, 'justWritten'>, key: AttemptKey): JustWritten | undefined {
  const subject = taskSubject(key)
  const known = justWritten.get(subject)
  justWritten.delete(subject)
  return known
}

async function quarantine(
  engine: Pick<Engine, 'log' | 'store' | 'world'>,
  { id, attempt }: AttemptKey,
  { code, message }: TdfError,
): Promise<void> {
  engine.log.error({ task: id, attempt, code, err: message }, 'a task cannot be read and is left alone')
  const at = engine.world.clock.now()
  const failure = {
    id: `corrupt-${id}-${attempt}-${at}`,
    source: 'store',
    taskId: id,
    code,
    message,
    context: { attempt },
  }
  await engine.store.commit(() => recordFailure(engine, failure))
}

/** What the handler of the step answers; what it throws, as an outcome. A cancel comes before every step. */
async function runStep(engine: Engine, { task, signals }: Seen, interruption: Interruption): Promise<Outcome> {
  const { step } = task
  const cancels = signals.filter(({ kind }) => kind === 'cancel')
  if (!isTerminal(task.status) && cancels.length > 0) return { kind: 'cancel', uses: cancels.map(({ id }) => id) }
  if (step === null || !isKnownStep(step)) {
    return { kind: 'wait', ms: UNKNOWN_STEP_MS, why: taskWaits.unknownStep(step), looked: false }
  }
  const context = stepContext(engine, task, signals, interruption)
  try {
    return await handlers[step].run(context, task)
  } catch (thrown) {
    if (interruption.signal.aborted) {
      // Cancelled, or the daemon stops: this run costs nothing, and the next one reads what is stored then.
      return { kind: 'wait', ms: 0, why: task.waitingFor ?? taskWaits.nextLook(), looked: false }
    }
    return {
      kind: 'retry',
      error: asTdfError(thrown),
      looked: Boolean(rowOf(step).isOneCall) && context.hasReachedAgent,
    }
  }
}

/** What the task becomes. An outcome that the rules refuse is a bug of ours: the task waits, with the bug on record. */
function decideNext(engine: Engine, task: ReadTask, outcome: Outcome): Transition {
  try {
    return decide(task, outcome, decisionInput(engine))
  } catch (thrown) {
    const error = asTdfError(thrown)
    engine.log.error({ task: task.id, step: task.step, err: error.stack }, 'a decision could not be made')
    const why = taskWaits.internalError(error.message)
    const waiting = decide(task, { kind: 'wait', ms: BUG_RETRY_MS, why, looked: false }, decisionInput(engine))
    return { ...waiting, failure: { error, final: false } }
  }
}

/** False when the attempt was moved since it was read. A slot that was gone meanwhile is one more outcome, saved instead. */
async function saveOutcome(engine: Engine, seen: Seen, outcome: Outcome, decided: Transition): Promise<boolean> {
  const { store } = engine
  const { task, signals } = seen
  try {
    return await store.commit(() => save(engine, task, decided, usesOf(outcome), signals))
  } catch (thrown) {
    if (!(thrown instanceof TdfError) || thrown.code !== 'PLACEMENT_LOST') throw thrown
    const lost = decide(task, { kind: 'advance', to: 'node_selection' }, decisionInput(engine))
    return store.commit(() => save(engine, task, lost, []))
  }
}

/** Counts and logs an outcome that is stored. `runMs` is how long the handler took; the line has the time in the step. */
export function report(
  engine: Pick<Engine, 'log' | 'metrics'>,
  before: ReadTask,
  decided: Transition,
  outcome: Outcome,
  runMs: number,
): void {
  const { task, failure } = decided
  const reason = outcome.kind === 'retry' ? outcome.error.code : undefined
  if (before.step !== null) engine.metrics.ran(before.step, outcome.kind, runMs, reason)
  if (before.step === task.step && before.status === task.status && failure === null) return
  const about = {
    task: task.id,
    attempt: task.attempt,
    step: before.step,
    to: task.step,
    status: task.status,
    node: task.nodeName,
    outcome: outcome.kind,
    ms: Math.max(task.updatedAt - before.stepEnteredAt, 0),
  }
  engine.log.info(failure ? { ...about, ...reasonOf(failure.error) } : about, 'transition')
}

const reasonOf = (error: TdfError) => ({ code: error.code, class: error.class, err: error.message })
