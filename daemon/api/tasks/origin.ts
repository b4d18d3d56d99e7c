/** What a task came from: a schedule, or an issue. */
import type { Task } from '../../../src/core/task.ts'
import type { OriginJson } from '../../../src/protocol/attempts.ts'
import { runAt, scheduleNamed } from '../../../src/store/groups/schedules.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'

export function originJson(sql: Sql, task: Task): OriginJson {
  const { schedule = null, source } = task.spec
  return {
    schedule,
    scheduled: scheduledJson(sql, task),
    source: source ? { name: source.name, issue: source.issue, title: source.title, url: source.url } : null,
  }
}

/** A schedule that is younger than the task is another one, which has got the name of that which was removed. */
export function scheduledJson(sql: Sql, { spec, createdAt }: Task): OriginJson['scheduled'] {
  const { schedule: name, labels } = spec
  if (name === undefined) return null
  const planned = labels.planned ?? null
  const known = scheduleNamed(sql, name)
  if (!known || known.createdAt > createdAt)
    return { name, cron: null, tz: null, planned, note: null, lateMs: 0, state: 'gone', next: null }
  const { id, cron, zone: tz, state, plannedAt } = known
  const { note = null, lateMs = 0 } = (planned === null ? undefined : runAt(sql, id, Date.parse(planned))) ?? {}
  return {
    name,
    cron,
    tz,
    planned,
    note,
    lateMs,
    state,
    next: state === 'active' ? new Date(plannedAt).toISOString() : null,
  }
}
