/**
 * One transaction for one outcome: task, journal, used signals, outbox, and whatever else the decision asks for. Also
 * keeps what the loop and the placement pass know in step with what was committed.
 */
import { awaitsSource, isQueued } from '../../src/core/facts.ts'
import { type ReadTask, updateAttempt } from '../../src/store/tables/attempts.ts'
import { consumeSignals, type Signal } from '../../src/store/tables/inbox.ts'
import { recordStepFailure } from '../reporting/failures.ts'
import { announce } from '../reporting/notices/announce.ts'
import type { Engine } from '../services.ts'
import { placementRequest } from './attempts.ts'
import { type Follower, followersOf } from './effects/release.ts'
import { recordUsage } from './effects/usage.ts'
import { applyWrite } from './effects/writes.ts'
import { taskSubject } from './loop.ts'
import type { Transition } from './rules/transition.ts'

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
  if (!saveOne(engine, seen, decided, uses, signals)) return false
  saveFollowers(engine, followersOf(engine, seen, decided.task))
  return true
}

/** Inside a write: what the end of a task means for others, and of those for others again. */
export function saveFollowers(engine: Engine, first: readonly Follower[]): void {
  const followers = [...first]
  // It grows while it is walked: a chain may be longer than a stack is deep.
  for (const { seen, decided } of followers) {
    if (saveOne(engine, seen, decided, [])) followers.push(...followersOf(engine, seen, decided.task))
  }
}

function saveOne(
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
  recordUsage(store.sql, seen, task, now)
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
