/**
 * One transaction for one outcome: task, journal, used signals, outbox, and whatever else the decision asks for. Also
 * keeps what the loop and the placement pass know in step with what was committed.
 */
import { awaitsSource } from '../../src/core/facts.ts'
import type { Task } from '../../src/core/task.ts'
import { type ReadTask, updateAttempt } from '../../src/store/tables/attempts.ts'
import { consumeSignals, type Signal } from '../../src/store/tables/inbox.ts'
import { announce } from '../reporting/announce.ts'
import { recordStepFailure } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'
import { placementRequest } from './attempts.ts'
import { taskSubject } from './loop.ts'
import type { Transition } from './rules/transition.ts'
import { applyWrite } from './writes.ts'

/** A parked task rests at the same step and asks for no slot, and neither does one whose repository is not here yet. */
const isQueued = (task: Task) => task.step === 'node_selection' && task.status === 'queued' && !awaitsSource(task)

/**
 * Inside a write. False when the task was moved since it was read: then nothing was changed. `signals` are those
 * that the outcome was made from, where they were read with `seen`.
 */
export function save(
  engine: Engine,
  seen: ReadTask,
  decided: Transition,
  uses: readonly number[],
  signals?: readonly Signal[],
): boolean {
  const { store, loop, world, queue } = engine
  const now = world.clock.now()
  const { task } = decided
  const stored = updateAttempt(store.sql, seen, task, now)
  if (!stored) return false
  for (const event of decided.events) engine.store.append(event, now)
  consumeSignals(store.sql, uses)
  for (const write of decided.writes) applyWrite(engine, task, write, now)
  announce(engine, seen, decided, now)
  if (decided.failure) recordStepFailure(engine, seen, decided.failure)
  const request = !isQueued(seen) && isQueued(task) ? placementRequest(store.sql, task) : null
  if (request) engine.placementChanged()
  store.afterCommit(() => {
    const subject = taskSubject(task)
    if (stored.wakeAt !== null && stored.wakeAt <= now) {
      // No signal came since, unless the attempt was woken.
      const left = stored.wakes === seen.wakes ? signals?.filter(({ id }) => !uses.includes(id)) : undefined
      engine.justWritten.set(subject, { task: stored, signals: left })
    }
    loop.schedule(subject, stored.wakeAt)
    if (request) queue.add(request)
    else if (isQueued(seen) && !isQueued(task)) queue.remove(task)
    if (awaitsSource(seen) && !awaitsSource(task)) engine.sources.leave(task)
  })
  return true
}
