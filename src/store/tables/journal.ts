/** The journal: what happened, numbered, written in the transaction that made it happen. */
import type { NewEvent } from '../../core/event.ts'
import { fields, objectOf, readable } from '../sqlite/fields.ts'
import type { Row, Sql, Value } from '../sqlite/sql.ts'
import type { GroupParticipant } from '../sqlite/transactions.ts'

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

export interface Journal extends GroupParticipant {
  /** Inside a write: puts an event on the record; listeners get it once it is durable. */
  append(event: NewEvent, now: number): void
  /** Who hears of each event right after COMMIT, in order; one at a time. */
  listen(listener: (event: JournalEvent) => void): void
  /** The number of the newest event that is durable: those behind it may be read, and are not told yet. */
  durableSeq(): number
}

/** Rows that one statement inserts, most first: each prepared once. A row alone costs 15 µs, one of 32 costs 9. */
const ROWS = [32, 8, 1]
const INSERTS = ROWS.map(
  rows =>
    `insert into events (at, type, task_id, attempt, node_name, step, data) values ${Array(rows).fill('(?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
)

/** Events are gathered while a group runs and written at its end, in the same transaction. */
export function createJournal(sql: Sql): Journal {
  let events: JournalEvent[] = []
  let values: Value[] = []
  /** Numbered; passed on once the group is durable. */
  let written: JournalEvent[] = []
  let notify: (event: JournalEvent) => void = () => {}

  /** The rows of one statement get numbers that follow each other; SQLite answers the last one. */
  function writeRows(insert: string, first: number, count: number): void {
    const last = sql.insert(insert, ...values.slice(first * COLUMNS, (first + count) * COLUMNS))
    for (let index = 0; index < count; index++) {
      const event = events[first + index]
      if (event) event.seq = last - count + 1 + index
    }
  }

  function rollback(): void {
    events = []
    values = []
  }

  return {
    append({ type, taskId = null, attempt = null, nodeName = null, step = null, data }, now) {
      values.push(now, type, taskId, attempt, nodeName, step, JSON.stringify(data))
      events.push({ seq: 0, at: now, type, taskId, attempt, nodeName, step, data })
    },
    listen(listener) {
      notify = listener
    },
    durableSeq() {
      const [first] = written
      return first ? first.seq - 1 : lastSeq(sql)
    },
    write() {
      let count = 0
      for (const [index, rows] of ROWS.entries()) {
        for (; events.length - count >= rows; count += rows) writeRows(INSERTS[index] ?? '', count, rows)
      }
      written = written.length === 0 ? events : [...written, ...events]
      rollback()
    },
    rollback,
    committed() {
      const events = written
      written = []
      for (const event of events) notify(event)
    },
    rollbackAll() {
      written = []
      rollback()
    },
  }
}

const COLUMNS = 7

export function readEvents(sql: Sql, { after, limit }: { after: number; limit: number }): JournalEvent[] {
  return eventsOf(sql.all('select * from events where seq > ? order by seq limit ?', after, limit))
}

/** The newest events of a task, the oldest of them first. */
export function readNewestEvents(sql: Sql, taskId: string, limit: number): JournalEvent[] {
  return eventsOf(sql.all('select * from events where task_id = ? order by seq desc limit ?', taskId, limit)).reverse()
}

const eventsOf = (rows: readonly Row[]): JournalEvent[] => readable(rows, row => objectOf(row, EVENT))

const EVENT = fields('seq at type taskId attempt nodeName step', 'data')

export function lastSeq(sql: Sql): number {
  return Number(sql.one("select seq from sqlite_sequence where name = 'events'")?.seq ?? 0)
}

export function firstSeq(sql: Sql): number {
  return Number(sql.one('select min(seq) as seq from events')?.seq ?? 0)
}

/** Which tasks are alike. */
export interface Likeness {
  /** The agent's name. */
  agent: string
  /** Of the repository. */
  url: string
}

/** Of a long journal only its newest part is looked through. */
const LOOKED_THROUGH = 20_000

/** How long the newest passages of a step took, in ms, for tasks of this agent and this repository. */
export function recentStepMs(sql: Sql, step: string, { agent, url }: Likeness, limit: number): number[] {
  const query = `select json_extract(events.data, '$.ms') as ms from events join tasks on tasks.id = events.task_id
    where events.seq > ? and events.type = 'task.step' and json_extract(events.data, '$.from') = ?
      and json_extract(tasks.spec, '$.agent.name') = ? and json_extract(tasks.spec, '$.repo.url') = ?
    order by events.seq desc limit ?`
  return sql.all(query, lastSeq(sql) - LOOKED_THROUGH, step, agent, url, limit).map(({ ms }) => Number(ms))
}

/**
 * Drops rows older than `before` and the oldest beyond `kept`, at most `limit` of them. Never the newest: its number is
 * where the next one goes on. Numbers grow with time, so the oldest are the first.
 */
export function pruneEvents(sql: Sql, before: number, kept: number, limit: number): number {
  const last = lastSeq(sql)
  const query = `delete from events
    where seq in (select seq from events order by seq limit ?) and (at < ? or seq <= ?) and seq < ?`
  return sql.run(query, limit, before, last - kept, last)
}
