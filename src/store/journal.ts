/** The journal: what happened, numbered, written in the transaction that made it happen. */
import { jsonOf, readable } from './fields.ts'
import type { Sql } from './sql.ts'

export interface NewEvent {
  type: string
  taskId?: string | null
  attempt?: number | null
  nodeName?: string | null
  step?: string | null
  data: Record<string, unknown>
}

export interface JournalEvent {
  seq: number
  at: number
  type: string
  taskId: string | null
  attempt: number | null
  nodeName: string | null
  step: string | null
  data: Record<string, unknown>
}

export function appendEvent(sql: Sql, event: NewEvent, now: number): JournalEvent {
  const seq = sql.insert(
    'insert into events (at, type, task_id, attempt, node_name, step, data) values (?, ?, ?, ?, ?, ?, ?)',
    now,
    event.type,
    event.taskId ?? null,
    event.attempt ?? null,
    event.nodeName ?? null,
    event.step ?? null,
    JSON.stringify(event.data),
  )
  return {
    seq,
    at: now,
    type: event.type,
    taskId: event.taskId ?? null,
    attempt: event.attempt ?? null,
    nodeName: event.nodeName ?? null,
    step: event.step ?? null,
    data: event.data,
  }
}

export interface EventFilter {
  after: number
  limit: number
  taskId?: string
}

export function readEvents(sql: Sql, filter: EventFilter): JournalEvent[] {
  const byTask = filter.taskId === undefined ? '' : 'and task_id = ?'
  const values = filter.taskId === undefined ? [] : [filter.taskId]
  const rows = sql.all(
    `select * from events where seq > ? ${byTask} order by seq limit ?`,
    filter.after,
    ...values,
    filter.limit,
  )
  return readable(rows, row => ({
    seq: Number(row.seq),
    at: Number(row.at),
    type: String(row.type),
    taskId: row.task_id === null ? null : String(row.task_id),
    attempt: row.attempt === null ? null : Number(row.attempt),
    nodeName: row.node_name === null ? null : String(row.node_name),
    step: row.step === null ? null : String(row.step),
    data: jsonOf(row, 'data') as Record<string, unknown>,
  }))
}

export function lastSeq(sql: Sql): number {
  return Number(sql.one("select seq from sqlite_sequence where name = 'events'")?.seq ?? 0)
}

export function firstSeq(sql: Sql): number {
  return Number(sql.one('select min(seq) as seq from events')?.seq ?? 0)
}

/** How long the newest passages of a step took, in ms. */
export function recentStepMs(sql: Sql, step: string, limit: number): number[] {
  const rows = sql.all(
    "select json_extract(data, '$.ms') as ms from events where type = 'task.step' and json_extract(data, '$.from') = ? order by seq desc limit ?",
    step,
    limit,
  )
  return rows.map(({ ms }) => Number(ms))
}

/**
 * Drops rows older than `before` and the oldest beyond `kept`, at most `limit` of them. Never the newest: its number is
 * where the next one goes on. Numbers grow with time, so the oldest are the first.
 */
export function pruneEvents(sql: Sql, before: number, kept: number, limit: number): number {
  const last = lastSeq(sql)
  return sql.run(
    'delete from events where seq in (select seq from events order by seq limit ?) and (at < ? or seq <= ?) and seq < ?',
    limit,
    before,
    last - kept,
    last,
  )
}
