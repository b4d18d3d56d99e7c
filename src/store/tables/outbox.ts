/** The outbox: what has to leave this database, born in the transaction that gave the reason. */
import { jsonOf, readable } from '../sqlite/fields.ts'
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
  sql.run(
    'insert into outbox (id, kind, payload, due_at) values (?, ?, ?, ?) on conflict do nothing',
    item.id,
    item.kind,
    JSON.stringify(item.payload),
    item.dueAt,
  )
}

export function due(sql: Sql, kind: OutboxKind, now: number, limit: number): OutboxItem[] {
  const rows = sql.all('select * from outbox where kind = ? and due_at <= ? order by due_at limit ?', kind, now, limit)
  return readable(rows, row => ({
    id: String(row.id),
    kind: row.kind as OutboxKind,
    payload: jsonOf(row, 'payload') as Record<string, unknown>,
    dueAt: Number(row.due_at),
    tries: Number(row.tries),
  }))
}

export function delivered(sql: Sql, id: string): void {
  sql.run('delete from outbox where id = ?', id)
}

export function postpone(sql: Sql, id: string, dueAt: number): void {
  sql.run('update outbox set due_at = ?, tries = tries + 1 where id = ?', dueAt, id)
}
