/** The inbox: signals, appended once each and consumed in the transaction of the outcome that they led to. */
import type { AttemptKey } from '../../core/task.ts'
import { fields, insertion, jsonOf, readable, TASK_ID, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

export const SIGNAL_KINDS = [
  'workspace_ready',
  'provisioning_failed',
  'session_started',
  'session_exited',
  'cancel',
  'followup',
  'close',
] as const
export type SignalKind = (typeof SIGNAL_KINDS)[number]

export interface Signal {
  id: number
  kind: SignalKind
  payload: Record<string, unknown>
  at: number
}

export interface NewSignal extends AttemptKey {
  kind: SignalKind
  /** The same fact reported twice has the same key. */
  dedupe: string
  payload: Record<string, unknown>
}

/** False when the fact is already there. */
export function addSignal(sql: Sql, signal: NewSignal, now: number): boolean {
  return sql.run(INSERTION, ...valuesOf({ ...signal, at: now }, INSERT)) === 1
}

const INSERT = [TASK_ID, ...fields('attempt kind dedupe at', 'payload')]
const INSERTION = `${insertion('inbox', INSERT)} on conflict do nothing`

/** The signals that the attempt has not used yet, oldest first. */
export function openSignals(sql: Sql, key: AttemptKey): Signal[] {
  const row = sql.one(OPEN, key.id, key.attempt)
  // As OPEN puts them together.
  const rows = JSON.parse(String(row?.rows)) as [number, SignalKind, string, number][]
  return readable(rows, ([id, kind, payload, at]) => {
    return { id, kind, at, payload: jsonOf({ id, payload }, 'payload') as Record<string, unknown> }
  })
}

/** In one row: the binding makes room for a hundred whenever it is asked for several (libsql 0.5.29), 6 µs of each hop. */
const OPEN = `select json_group_array(json_array(id, kind, payload, at)) as rows
  from (select id, kind, payload, at from inbox where task_id = ? and attempt = ? and consumed = 0 order by id)`

export function hasSignal(sql: Sql, dedupe: string): boolean {
  return sql.one('select 1 as known from inbox where dedupe = ?', dedupe) !== undefined
}

/** A text that was sent to a task, by the id of its delivery. */
export interface SentFollowup {
  signalId: number
  attempt: number
  text: string
  isUsed: boolean
}

/** The newest, where it was carried from one attempt to the next. */
export function findFollowup(sql: Sql, taskId: string, deliveryId: string): SentFollowup | undefined {
  const row = sql.one(FOLLOWUP, taskId, deliveryId)
  if (!row) return undefined
  return {
    signalId: Number(row.id),
    attempt: Number(row.attempt),
    text: String(row.text),
    isUsed: row.consumed === 1,
  }
}

const FOLLOWUP = `select id, attempt, consumed, json_extract(payload, '$.text') as text from inbox
  where task_id = ? and kind = 'followup' and json_extract(payload, '$.deliveryId') = ? order by id desc limit 1`

/**
 * How many signals an attempt has not used: rows, and characters of their JSON. Counts no further than
 * `rowsMax`, so that the answer costs the same however much there is.
 */
export function openAmount(sql: Sql, key: AttemptKey, rowsMax: number): { rows: number; characters: number } {
  const query = `select count(*) as rows, coalesce(sum(characters), 0) as characters from (
    select length(payload) as characters from inbox where task_id = ? and attempt = ? and consumed = 0 limit ?)`
  const row = sql.one(query, key.id, key.attempt, rowsMax)
  return { rows: Number(row?.rows), characters: Number(row?.characters) }
}

/** Marks these as used. They stay as the proof that a repeat is a repeat. */
export function consumeSignals(sql: Sql, ids: readonly number[]): void {
  for (const id of ids) sql.run('update inbox set consumed = 1 where id = ?', id)
}

/** The last facts of an attempt, used or not, for diagnosis. */
export function lastSignals(sql: Sql, key: AttemptKey, limit: number): { kind: string; at: number }[] {
  const query = 'select kind, at from inbox where task_id = ? and attempt = ? order by id desc limit ?'
  return sql.all(query, key.id, key.attempt, limit).map(row => ({ kind: String(row.kind), at: Number(row.at) }))
}

/** Drops signals older than `before` that were used, or that an attempt which is over will never use. */
export function pruneSignals(sql: Sql, before: number, rowsMax: number): number {
  const query = `delete from inbox where id in (
    select i.id from inbox i left join attempts a on a.task_id = i.task_id and a.attempt = i.attempt
    where i.at < ? and (i.consumed = 1 or a.live is not 1) limit ?)`
  return sql.run(query, before, rowsMax)
}
