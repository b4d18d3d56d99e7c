/** The outbox: what has to leave this database, born in the transaction that gave the reason. */
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
