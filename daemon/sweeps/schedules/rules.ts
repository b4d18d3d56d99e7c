/** The rules of schedules, pure: which instant is due, how late it is, when the next one comes, and what an end is worth. */
import { createHash } from 'node:crypto'
import { formatDurationShort } from '../../../src/core/duration.ts'
import type { Task } from '../../../src/core/task.ts'
import type { Schedule } from '../../../src/store/groups/schedules.ts'
import type { Instants } from './instants.ts'

/** A task that comes so much later than planned is late. A restart of the daemon takes less. */
const LATE_MS = 60_000
/** Of all schedules: after a start, what was missed does not come at once. */
export const LATE_MAX = 3
export const LATE_WINDOW_MS = 60_000
/** So many bad ends in a row, and it is paused. */
const BAD_ENDS_MAX = 3

/** The same for an instant whenever it is asked for, from 0 to `jitterMs`. */
function jitterOf({ id, jitterMs }: Pick<Schedule, 'id' | 'jitterMs'>, plannedAt: number): number {
  const hash = createHash('sha256').update(`${id}:${plannedAt}`).digest()
  return hash.readUInt32BE() % (jitterMs + 1)
}

/** When something follows from an instant. */
export const dueAtOf = (schedule: Pick<Schedule, 'id' | 'jitterMs'>, plannedAt: number) =>
  plannedAt + jitterOf(schedule, plannedAt)

export interface Due {
  /** The instant that counts now: of those that were missed, the latest. */
  plannedAt: number
  /** 0 where it comes in time. */
  lateMs: number
  /** Null where there is none. */
  next: { plannedAt: number; dueAt: number } | null
}

/** Null while its instant is still to come, as after a clock that was set back. Planned instants only go forward. */
export function dueOf(
  schedule: Pick<Schedule, 'id' | 'jitterMs' | 'plannedAt'>,
  instants: Instants,
  now: number,
): Due | null {
  const isDue = (at: number) => dueAtOf(schedule, at) <= now
  if (!isDue(schedule.plannedAt)) return null
  const latest = instants.upTo(now) ?? schedule.plannedAt
  // One whose jitter is not over yet is the next.
  const reached = isDue(latest) ? latest : (instants.upTo(latest - 1) ?? schedule.plannedAt)
  const plannedAt = Math.max(reached, schedule.plannedAt)
  const late = now - dueAtOf(schedule, plannedAt)
  const next = instants.after(plannedAt)
  return {
    plannedAt,
    lateMs: late >= LATE_MS ? late : 0,
    next: next === null ? null : { plannedAt: next, dueAt: dueAtOf(schedule, next) },
  }
}

/** Those that it made and that go on, the one of the newest instant first. */
export type Before = readonly Pick<Task, 'id' | 'facts'>[]

/** Why there is no task for a due instant, in words; null: there is one. */
export function reasonNotTo(
  { catchUp, overlap }: Pick<Schedule, 'catchUp' | 'overlap'>,
  { lateMs }: Due,
  before: Before,
): string | null {
  if (lateMs > 0 && catchUp === 'skip')
    return `skipped: it would be ${formatDurationShort(lateMs)} late, and --catch-up skip makes up for none`
  const [newest] = before
  if (!newest) return null
  if (overlap === 'skip') return `skipped: task ${newest.id} of an earlier instant goes on (--overlap skip)`
  const waiting = before.find(({ facts }) => facts.awaits)
  return waiting ? `skipped: task ${waiting.id} waits already for the one before it` : null
}

export type Outcome = 'good' | 'bad' | 'none'

/** What the end of a task is worth: one that somebody cancelled says nothing about the schedule. */
export function outcomeOf({ status }: Pick<Task, 'status'>, pull: string | null): Outcome {
  if (status === 'completed') {
    if (pull === 'closed') return 'none'
    return pull === null || pull === 'green' || pull === 'merged' ? 'good' : 'bad'
  }
  return status === 'cancelled' ? 'none' : 'bad'
}

/** The streak after one more end, and why the schedule is paused by it; null: it goes on. */
export function afterEnd(
  { streak, keepGoing, untilGreen }: Pick<Schedule, 'streak' | 'keepGoing' | 'untilGreen'>,
  outcome: Outcome,
  what: string,
): { streak: number; pause: { why: string; isFailing: boolean } | null } {
  if (outcome === 'none') return { streak, pause: null }
  const sign = outcome === 'good' ? 1 : -1
  const now = Math.sign(streak) === sign ? streak + sign : sign
  if (outcome === 'good' && untilGreen) {
    return { streak: now, pause: { why: `${what}, which it was to go on for (--until-green)`, isFailing: false } }
  }
  if (now > -BAD_ENDS_MAX || keepGoing) return { streak: now, pause: null }
  return { streak: now, pause: { why: `${-now} bad ends in a row; the last: ${what}`, isFailing: true } }
}
