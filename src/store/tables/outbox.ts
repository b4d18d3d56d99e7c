/** The outbox: what has to leave this database, born in the transaction that gave the reason; and the codes that answers to it come back with. */
import { fields, insertion, objectOf, readable, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

export type OutboxKind = 'error' | 'notify-command' | 'notify-webhook' | 'notify-ntfy'

export interface OutboxItem {
  id: string
  kind: OutboxKind
  payload: Record<string, unknown>
  dueAt: number
  tries: number
}

export function post(sql: Sql, item: Omit<OutboxItem, 'tries'>): void {
  sql.run(INSERTION, ...valuesOf(item, INSERT))
}

const INSERT = fields('id kind dueAt', 'payload')
const INSERTION = `${insertion('outbox', INSERT)} on conflict do nothing`
const WHOLE = [...INSERT, ...fields('tries')]

export function due(sql: Sql, kind: OutboxKind, now: number, limit: number): OutboxItem[] {
  const rows = sql.all('select * from outbox where kind = ? and due_at <= ? order by due_at limit ?', kind, now, limit)
  return readable(rows, row => objectOf(row, WHOLE))
}

export function delivered(sql: Sql, id: string): void {
  sql.run('delete from outbox where id = ?', id)
}

export function postpone(sql: Sql, id: string, dueAt: number): void {
  sql.run('update outbox set due_at = ?, tries = tries + 1 where id = ?', dueAt, id)
}

/**
 * What a notice may be answered with: a row for each code that it carries, by the hash of the code. *open*: it may come back
 * once; *used*: the notice was answered; *late*: what it asked is asked no more.
 */
export interface ReplyCode {
  hash: string
  /** The row of the outbox that carries it. */
  notice: string
  taskId: string
  attempt: number
  /** What is asked. */
  about: string
  verb: string
  state: 'open' | 'used' | 'late'
  createdAt: number
  expiresAt: number
}

const CODE = fields('hash notice taskId attempt about verb state createdAt expiresAt')
/** One that is older is not known any more. */
const KNOWN_MS = 7 * 24 * 3_600_000

/** Inside a write: what the task was asked before is late from now on. */
export function addReplyCodes(sql: Sql, codes: readonly Omit<ReplyCode, 'state' | 'createdAt'>[], now: number): void {
  sql.run('delete from reply_codes where expires_at < ?', now - KNOWN_MS)
  for (const { taskId } of codes.slice(0, 1)) {
    sql.run("update reply_codes set state = 'late' where task_id = ? and state = 'open'", taskId)
  }
  for (const code of codes) {
    const row = { ...code, state: 'open', createdAt: now }
    sql.run(`${insertion('reply_codes', CODE)} on conflict do nothing`, ...valuesOf(row, CODE))
  }
}

export function readReplyCode(sql: Sql, hash: string): ReplyCode | undefined {
  const row = sql.one('select * from reply_codes where hash = ?', hash)
  return row && objectOf<ReplyCode>(row, CODE)
}

/** Inside a write: every code of the notice. */
export function closeReplyCodes(sql: Sql, notice: string): void {
  sql.run("update reply_codes set state = 'used' where notice = ?", notice)
}

/** When the oldest code was made that may still come back, Unix ms; null when there is none. */
export function oldestOpenCode(sql: Sql, now: number): number | null {
  const query = "select min(created_at) as oldest from reply_codes where state = 'open' and expires_at > ?"
  const oldest = sql.one(query, now)?.oldest ?? null
  return oldest === null ? null : Number(oldest)
}
