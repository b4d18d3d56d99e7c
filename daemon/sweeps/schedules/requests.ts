/** What people ask of schedules: a new one, one task now, a pause. Each is called inside a write. */
import { isDeepStrictEqual } from 'node:util'
import { formatDuration } from '../../../src/core/duration.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { World } from '../../../src/platform/world.ts'
import { type ScheduleRequest, submitRequest } from '../../../src/protocol/submit.ts'
import {
  changeSchedule,
  countSchedules,
  insertRun,
  insertSchedule,
  type Schedule,
  scheduleNamed,
} from '../../../src/store/groups/schedules.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { assertRoom } from '../../api/guard.ts'
import { freshTaskId } from '../../api/tasks/accept.ts'
import type { Engine } from '../../services.ts'
import { instantsOf } from './instants.ts'
import { dueAtOf } from './rules.ts'
import { submitNow } from './sweep.ts'

const SCHEDULES_MAX = 10_000
/** So many steps ahead are held against the jitter. */
const STEPS_SEEN = 16

/** The row of a request, not stored. Throws USAGE for what could not be carried out. */
export function plannedSchedule(asked: ScheduleRequest, { clock, random }: Pick<World, 'clock' | 'random'>): Schedule {
  const now = clock.now()
  const { request, ...rest } = asked
  if (request.repo.kind !== 'git') throw wrong('a schedule needs a repository by URL', 'request.repo')
  if (request.after.length > 0 || request.from.length > 0)
    throw wrong('a schedule cannot come after one task', 'request.after')
  const id = freshTaskId(random)
  const plannedAt = firstOf(asked, now)
  const dueAt = dueAtOf({ id, jitterMs: rest.jitterMs }, plannedAt)
  const standing = { state: 'active' as const, why: null, streak: 0, rev: 0, createdAt: now, updatedAt: now }
  return { ...rest, request, id, plannedAt, dueAt, ...standing }
}

/** False when there is one already that is the same. Throws WRONG_STATE when there is another one of this name. */
export function addSchedule(sql: Sql, schedule: Schedule): boolean {
  const known = scheduleNamed(sql, schedule.name)
  if (!known) {
    if (countSchedules(sql) >= SCHEDULES_MAX) throw wrong(`there may be ${SCHEDULES_MAX} schedules`, 'name')
    insertSchedule(sql, schedule)
    return true
  }
  if (isDeepStrictEqual(wishOf(known), wishOf(schedule))) return false
  const message = `there is a schedule "${schedule.name}" already, and it is another one`
  throw new TdfError('WRONG_STATE', message, { hint: `tdf schedule rm ${schedule.name}` })
}

/** As JSON has it, from where the one that is stored comes. */
function wishOf({ cron, zone, catchUp, overlap, jitterMs, keepGoing, untilGreen, request }: Schedule): unknown {
  return JSON.parse(JSON.stringify({ cron, zone, catchUp, overlap, jitterMs, keepGoing, untilGreen, request }))
}

/** One task now, beside its instants. Answers its id. */
export function runNow(engine: Engine, schedule: Schedule): string {
  assertRoom(engine)
  const { store, world } = engine
  const at = world.clock.now()
  const planned = new Date(at).toISOString()
  const taskId = submitNow(engine, schedule, submitRequest.parse(schedule.request), { planned })
  insertRun(store.sql, {
    scheduleId: schedule.id,
    plannedAt: at,
    taskId,
    note: 'by hand',
    lateMs: 0,
    outcome: null,
    at,
  })
  return taskId
}

export function pauseSchedule(sql: Sql, schedule: Schedule, now: number): void {
  if (schedule.state === 'paused') return
  changeSchedule(sql, schedule, { state: 'paused', why: 'tdf schedule pause' }, now)
}

/** From the next instant on: what came in the pause is not made up for, and bad ends are counted anew. */
export function resumeSchedule(sql: Sql, schedule: Schedule, now: number): void {
  if (schedule.state === 'active') return
  const plannedAt = firstOf(schedule, now)
  const streak = Math.max(schedule.streak, 0)
  changeSchedule(
    sql,
    schedule,
    { state: 'active', why: null, streak, plannedAt, dueAt: dueAtOf(schedule, plannedAt) },
    now,
  )
}

/** Throws USAGE for a pattern that never comes, and for jitter that reaches beyond the next instant. */
function firstOf({ cron, zone, jitterMs }: Pick<Schedule, 'cron' | 'zone' | 'jitterMs'>, now: number): number {
  const instants = instantsOf(cron, zone)
  const first = instants.after(now)
  if (first === null) throw wrong(`"${cron}" never comes`, 'cron')
  let before = first
  for (let step = 0; step < STEPS_SEEN; step++) {
    const next = instants.after(before)
    if (next === null) break
    if (next - before <= jitterMs) {
      const message = `with a jitter of ${formatDuration(jitterMs)} a task could come after the next instant`
      throw wrong(`${message}, ${formatDuration(next - before)} later`, 'jitterMs')
    }
    before = next
  }
  return first
}

const wrong = (message: string, field: string) =>
  new TdfError('USAGE', message, { field, hint: 'tdf schedule add --help' })
