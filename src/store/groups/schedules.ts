/**
 * Schedules: tasks that come again at the instants of a pattern, and what became of each instant: a task, or why there is none.
 * A schedule stands at `plannedAt`, its next instant; a run of it names an instant once, for ever.
 */
import { fields, insertion, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface Schedule {
  id: string
  name: string
  /** Five fields, or a word such as `@daily`, in the time of the zone. */
  cron: string
  zone: string
  /** Of instants that were missed: the latest is made up for, or none. */
  catchUp: 'once' | 'skip'
  /** While the task of an earlier instant goes on: there is none for this one, or it comes after that one. */
  overlap: 'skip' | 'queue'
  /** A task comes up to so much later than its instant, in ms. */
  jitterMs: number
  /** It goes on however often it fails. */
  keepGoing: boolean
  /** It is over once a run was good. */
  untilGreen: boolean
  /** The body of a submit, as it was asked for. */
  request: object
  state: 'active' | 'paused'
  /** Why it is paused, in words. */
  why: string | null
  /** The next instant, Unix ms. */
  plannedAt: number
  /** When something follows from it, Unix ms: the instant and its jitter, or later. */
  dueAt: number
  /** Ends in a row since it was made or resumed: above 0 good ones, below 0 bad ones. */
  streak: number
  /** Counts changes: who changes the row names the one that they have seen. */
  rev: number
  createdAt: number
  updatedAt: number
}

export interface ScheduleRun {
  scheduleId: string
  /** Its instant, Unix ms. */
  plannedAt: number
  /** Null where it made none. */
  taskId: string | null
  /** Why there is no task, or what else is to be said of it. */
  note: string | null
  /** How much later than planned, in ms; 0 where that is not worth a word. */
  lateMs: number
  /** What the end of its task was worth; null: it is not over. A task that was cancelled, or that is not there, is worth nothing. */
  outcome: 'good' | 'bad' | 'none' | null
  at: number
}

const TABLE = fields(
  'id name cron zone catchUp overlap jitterMs state why plannedAt dueAt streak rev createdAt updatedAt',
  'request',
  'keepGoing untilGreen',
)
const INSERTION = insertion('schedules', TABLE)
const read = (row: Row) => objectOf<Schedule>(row, TABLE)

const RUN = fields('scheduleId plannedAt taskId note lateMs outcome at')
const RUN_INSERTION = `${insertion('schedule_runs', RUN)} on conflict do nothing`
const readRun = (row: Row) => objectOf<ScheduleRun>(row, RUN)

/** Of a schedule so many are kept. */
const RUNS_MAX = 100

export function insertSchedule(sql: Sql, schedule: Schedule): void {
  sql.run(INSERTION, ...valuesOf(schedule, TABLE))
}

/** False when the row was changed or removed meanwhile: then nothing is. */
export function changeSchedule(
  sql: Sql,
  seen: Pick<Schedule, 'id' | 'rev'>,
  change: Partial<Pick<Schedule, 'state' | 'why' | 'plannedAt' | 'dueAt' | 'streak'>>,
  now: number,
): boolean {
  const row = sql.one('select * from schedules where id = ?', seen.id)
  const known = row && read(row)
  if (known?.rev !== seen.rev) return false
  const next = { ...known, ...change }
  sql.run(
    `update schedules set state = ?, why = ?, planned_at = ?, due_at = ?, streak = ?, rev = rev + 1, updated_at = ? where id = ?`,
    ...[next.state, next.why, next.plannedAt, next.dueAt, next.streak, now, seen.id],
  )
  return true
}

export function removeSchedule(sql: Sql, id: string): void {
  sql.run('delete from schedule_runs where schedule_id = ?', id)
  sql.run('delete from schedules where id = ?', id)
}

export function scheduleNamed(sql: Sql, name: string): Schedule | undefined {
  const row = sql.one('select * from schedules where name = ?', name)
  return row && read(row)
}

export function scheduleOf(sql: Sql, id: string): Schedule | undefined {
  const row = sql.one('select * from schedules where id = ?', id)
  return row && read(row)
}

/** By name. */
export function listSchedules(sql: Sql): Schedule[] {
  return readable(sql.all('select * from schedules order by name'), read)
}

export const countSchedules = (sql: Sql) => Number(sql.one('select count(*) as count from schedules')?.count)

/** What is due first comes first. */
export function dueSchedules(sql: Sql, now: number, limit: number): Schedule[] {
  const query = `select * from schedules where state = 'active' and due_at <= ? order by due_at limit ?`
  return readable(sql.all(query, now, limit), read)
}

/** False when its instant has a run already: then nothing was changed. */
export function insertRun(sql: Sql, run: ScheduleRun): boolean {
  if (sql.run(RUN_INSERTION, ...valuesOf(run, RUN)) === 0) return false
  sql.run(
    `delete from schedule_runs where schedule_id = ? and outcome is not null and planned_at not in
       (select planned_at from schedule_runs where schedule_id = ? order by planned_at desc limit ${RUNS_MAX})`,
    ...[run.scheduleId, run.scheduleId],
  )
  return true
}

/** The newest first. */
export function runsOf(sql: Sql, scheduleId: string, limit = RUNS_MAX): ScheduleRun[] {
  const query = 'select * from schedule_runs where schedule_id = ? order by planned_at desc limit ?'
  return readable(sql.all(query, scheduleId, limit), readRun)
}

/** The newest that made a task. */
export function lastRun(sql: Sql, scheduleId: string): ScheduleRun | undefined {
  const query = `select * from schedule_runs where schedule_id = ? and task_id is not null order by planned_at desc limit 1`
  const row = sql.one(query, scheduleId)
  return row && readRun(row)
}

export function runAt(sql: Sql, scheduleId: string, plannedAt: number): ScheduleRun | undefined {
  const row = sql.one('select * from schedule_runs where schedule_id = ? and planned_at = ?', scheduleId, plannedAt)
  return row && readRun(row)
}

/** The ids of tasks that it made and that have something to do still, the one of the newest instant first. */
export function liveTasksOf(sql: Sql, scheduleId: string): string[] {
  const query = `select r.task_id from schedule_runs r join tasks t on t.id = r.task_id
    join attempts a on a.task_id = t.id and a.attempt = t.attempt
    where r.schedule_id = ? and a.live = 1 group by 1 order by max(r.planned_at) desc`
  return sql.all(query, scheduleId).map(row => String(row.task_id))
}

/** Runs whose end is not counted, and whose tasks are not there or have come to an end, with what follows from it at a forge. */
export function endedRuns(sql: Sql, limit: number): ScheduleRun[] {
  const query = `select r.* from schedule_runs r left join tasks t on t.id = r.task_id
    left join attempts a on a.task_id = t.id and a.attempt = t.attempt
    where r.outcome is null and coalesce(a.live, 0) = 0
      and not exists (select 1 from pushes p where p.task_id = r.task_id and p.state = 'pending')
      and not exists (
        select 1 from watches w where w.task_id = r.task_id and w.state in ('watching', 'reacting', 'paused')
      ) order by r.at limit ?`
  return readable(sql.all(query, limit), readRun)
}

export function endRun(sql: Sql, { scheduleId, plannedAt }: ScheduleRun, outcome: ScheduleRun['outcome']): void {
  const query = 'update schedule_runs set outcome = ? where schedule_id = ? and planned_at = ?'
  sql.run(query, outcome, scheduleId, plannedAt)
}

/** Tasks that came late, of all schedules, at `since` and later. */
export function countLate(sql: Sql, since: number, now: number): number {
  const query = 'select count(*) as count from schedule_runs where late_ms > 0 and at between ? and ?'
  return Number(sql.one(query, since, now)?.count)
}
