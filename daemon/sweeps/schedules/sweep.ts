/**
 * Carries out the schedules: a task for each instant that is due, and the end of each counted. What follows from an instant is one
 * write: its run, its task and the next instant are stored together, or not at all.
 */
import { formatDurationShort } from '../../../src/core/duration.ts'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { isTerminal, type TaskSpec } from '../../../src/core/task.ts'
import { type SubmitRequest, submitRequest } from '../../../src/protocol/submit.ts'
import {
  changeSchedule,
  countLate,
  dueSchedules,
  endedRuns,
  endRun,
  insertRun,
  liveTasksOf,
  runAt,
  type Schedule,
  type ScheduleRun,
  scheduleOf,
} from '../../../src/store/groups/schedules.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { readWatch } from '../../../src/store/tables/pushes.ts'
import { assertRoom } from '../../api/guard.ts'
import { accept, freshTaskId } from '../../api/tasks/accept.ts'
import { submitInside } from '../../engine/api.ts'
import { announceSchedule } from '../../reporting/notices/announce.ts'
import type { Engine } from '../../services.ts'
import type { Sweep } from '../run.ts'
import { instantsOf } from './instants.ts'
import {
  afterEnd,
  type Before,
  type Due,
  dueOf,
  LATE_MAX,
  LATE_WINDOW_MS,
  type Outcome,
  outcomeOf,
  reasonNotTo,
} from './rules.ts'

const EVERY_MS = 1_000
const BATCH = 200

export const schedules: Sweep = {
  name: 'schedules',
  everyMs: () => EVERY_MS,
  async run(engine, _parts, signal) {
    const { store, world } = engine
    const report = { ended: 0, submitted: 0, passed: 0, postponed: 0 }
    for (const run of endedRuns(store.sql, BATCH)) {
      await store.commit(() => countEnd(engine, run))
      report.ended++
    }
    for (const { id } of dueSchedules(store.sql, world.clock.now(), BATCH)) {
      if (signal.aborted) return report
      const done = await store.commit(() => carryOut(engine, id))
      if (done !== null) report[done]++
    }
    return report
  },
}

/** Inside a write: what follows from the instant that is due now; null when there is none any more. */
function carryOut(engine: Engine, id: string): 'submitted' | 'passed' | 'postponed' | null {
  const { store, world } = engine
  const now = world.clock.now()
  const schedule = scheduleOf(store.sql, id)
  if (schedule?.state !== 'active') return null
  const due = dueOf(schedule, instantsOf(schedule.cron, schedule.zone), now)
  if (due === null) return null
  if (runAt(store.sql, id, due.plannedAt)) {
    moveOn(engine, schedule, due, now)
    return 'passed'
  }
  const before = goingOn(engine, id)
  const reason = reasonNotTo(schedule, due, before)
  if (reason !== null) {
    note(engine, schedule, due, { taskId: null, note: reason, outcome: 'none' })
    moveOn(engine, schedule, due, now)
    return 'passed'
  }
  if (due.lateMs > 0 && countLate(store.sql, now - LATE_WINDOW_MS, now) >= LATE_MAX) {
    changeSchedule(store.sql, schedule, { dueAt: now + LATE_WINDOW_MS }, now)
    return 'postponed'
  }
  return submitFor(engine, schedule, due, before)
}

function submitFor(engine: Engine, schedule: Schedule, due: Due, before: Before): 'submitted' | 'passed' | 'postponed' {
  const { store, world } = engine
  const now = world.clock.now()
  try {
    const taskId = taskFor(engine, schedule, due, before)
    note(engine, schedule, due, { taskId, note: null, outcome: null })
    moveOn(engine, schedule, due, now)
    return 'submitted'
  } catch (thrown) {
    const error = asTdfError(thrown)
    if (error.class !== 'permanent') {
      changeSchedule(store.sql, schedule, { dueAt: now + (error.retryAfterMs ?? LATE_WINDOW_MS) }, now)
      return 'postponed'
    }
    const what = `no task could be made: ${error.message}`
    note(engine, schedule, due, { taskId: null, note: what, outcome: 'bad' })
    moveOn(engine, schedule, due, now)
    countOutcome(engine, schedule.id, 'bad', what)
    return 'passed'
  }
}

/** The task of an instant. Throws what a submit throws. */
function taskFor(engine: Engine, schedule: Schedule, { plannedAt, lateMs }: Due, before: Before): string {
  assertRoom(engine)
  const planned = new Date(plannedAt).toISOString()
  const late = lateMs > 0 ? { late: formatDurationShort(lateMs) } : {}
  const request = submitRequest.parse(schedule.request)
  const after = before.length === 0 ? {} : { after: before.map(task => task.id), if: 'ended' as const }
  return submitNow(engine, schedule, { ...request, ...after }, { planned, ...late })
}

/** Inside a write: a task of the schedule, now. `labels` say of which instant, and name it: the same again is the same task. */
export function submitNow(
  engine: Engine,
  { id: scheduleId, name }: Pick<Schedule, 'id' | 'name'>,
  request: SubmitRequest,
  labels: Record<string, string> & { planned: string },
): string {
  const { world } = engine
  const id = freshTaskId(world.random)
  const asked = { ...request, labels: { ...request.labels, schedule: name, ...labels } }
  const spec: TaskSpec = { ...accept(engine, id, asked), schedule: name }
  const key = `schedule:${scheduleId}:${labels.planned}`
  const createdAt = world.clock.now()
  return submitInside(engine, { id, spec, idempotencyKey: key, idempotencyHash: scheduleId, createdAt }).id
}

function note(engine: Engine, { id }: Schedule, due: Due, run: Pick<ScheduleRun, 'taskId' | 'note' | 'outcome'>): void {
  const { store, world } = engine
  const { plannedAt, lateMs } = due
  const at = world.clock.now()
  const isStored = insertRun(store.sql, {
    scheduleId: id,
    plannedAt,
    lateMs: run.taskId === null ? 0 : lateMs,
    at,
    ...run,
  })
  if (!isStored) throw new TdfError('BUG', `the instant ${plannedAt} of schedule ${id} has a run already`)
}

function moveOn({ store, log }: Engine, schedule: Schedule, { next }: Due, now: number): void {
  const change = next ?? { state: 'paused' as const, why: 'its pattern has no further instant' }
  changeSchedule(store.sql, schedule, change, now)
  log.info({ schedule: schedule.name, next: next?.plannedAt ?? null }, 'a schedule moved on')
}

/** Not the last one alone: that may be over, as one by hand is or one that was cancelled, while an earlier one goes on. */
function goingOn({ store: { sql } }: Engine, scheduleId: string): Before {
  return liveTasksOf(sql, scheduleId).flatMap(id => {
    const task = readNewestAttempt(sql, id)
    return task && !isTerminal(task.status) ? [task] : []
  })
}

/** Inside a write: a task that was removed says nothing. */
function countEnd(engine: Engine, run: ScheduleRun): void {
  const { sql } = engine.store
  const task = run.taskId === null ? undefined : readNewestAttempt(sql, run.taskId)
  const outcome = task ? outcomeOf(task, readWatch(sql, task.id)?.state ?? null) : 'none'
  endRun(sql, run, outcome)
  if (task)
    countOutcome(engine, run.scheduleId, outcome, `task ${task.id} is ${task.status} (${task.verdict})`, task.id)
}

/** Inside a write. */
function countOutcome(engine: Engine, scheduleId: string, outcome: Outcome, what: string, taskId?: string): void {
  const { store, world } = engine
  const now = world.clock.now()
  const schedule = scheduleOf(store.sql, scheduleId)
  if (!schedule) return
  const { streak, pause } = afterEnd(schedule, outcome, what)
  const isPaused = pause !== null && schedule.state === 'active'
  changeSchedule(store.sql, schedule, { streak, ...(isPaused ? { state: 'paused', why: pause.why } : {}) }, now)
  if (isPaused && pause.isFailing) announceSchedule(engine, schedule, taskId, now)
}
