/**
 * Mostly a call says all that its task waits for: then what follows is decided and stored in the transaction of the call
 * itself. It saves a commit, a wake and a second look at the row; the next step begins as soon as the call is answered.
 */
import type { ReadTask } from '../src/store/attempts.ts'
import { openSignals, type Signal } from '../src/store/inbox.ts'
import { isTerminal } from '../src/task.ts'
import { decide } from './decide.ts'
import type { Engine } from './deps.ts'
import { journey, type Leg } from './journey.ts'
import { type Outcome, usesOf } from './outcome.ts'
import { report } from './report-run.ts'
import { rulesOf } from './rules.ts'
import { save } from './save.ts'
import { stepContext } from './step-context.ts'
import { taskSubject } from './subjects.ts'
import type { Transition } from './transition.ts'

/** Nobody interrupts what has no await. */
const UNINTERRUPTED = new AbortController()

/**
 * Inside a write, after a signal was put into the inbox; `task` was read in the same write. False when it has to be run
 * for it: then nothing was changed. When it throws, the whole write is taken back, and the same call answers false when
 * the write is run again: what follows from a call never keeps the call itself from being stored.
 */
export function actAtOnce(engine: Engine, task: ReadTask): boolean {
  const { store, world, loop, justWritten, notAtOnce } = engine
  const told = toldOf(task)
  if (!told) return false
  const subject = taskSubject(task)
  if (!loop.isFree(subject) || notAtOnce.delete(subject)) return false
  const startedAt = world.clock.mono()
  const plan = planFor(engine, task, told)
  if (!plan) return false
  const { signals, outcome, decided } = plan
  try {
    store.afterCommit(() => {
      justWritten.delete(subject)
      report(engine, task, decided, outcome, world.clock.mono() - startedAt)
    })
    return save(engine, task, decided, usesOf(outcome), signals)
  } catch (thrown) {
    notAtOnce.add(subject)
    throw thrown
  }
}

type Told = NonNullable<Leg['told']>

function toldOf({ step, status }: ReadTask): Told | undefined {
  return step !== null && !isTerminal(status) && Object.hasOwn(journey, step) ? journey[step].told : undefined
}

interface Plan {
  signals: Signal[]
  outcome: Outcome
  decided: Transition
}

/** Undefined when the word alone does not decide, and when it cannot be read: the run of the step says so. */
function planFor(engine: Engine, task: ReadTask, told: Told): Plan | undefined {
  try {
    const signals = openSignals(engine.store.sql, task)
    if (signals.some(({ kind }) => kind === 'cancel')) return undefined
    const outcome = told(stepContext(engine, task, signals, UNINTERRUPTED), task)
    return outcome && { signals, outcome, decided: decide(task, outcome, rulesOf(engine)) }
  } catch {
    return undefined
  }
}
