/** Cleanup work: one row for each thing to undo outside, retried on its own until it is confirmed. */
import { type AttemptKey, CLEANUP_KINDS, type CleanupKind } from '../../core/task.ts'
import { fields, insertion, objectOf, TASK_ID, valuesOf } from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface CleanupItem extends AttemptKey {
  kind: CleanupKind
  nodeName: string
  subject: string
  state: 'pending' | 'done'
  tries: number
  dueAt: number
  error: string | null
}

export function addCleanup(sql: Sql, item: Omit<CleanupItem, 'state' | 'tries' | 'error'>): void {
  sql.run(INSERTION, ...valuesOf({ ...item, state: 'pending' }, INSERT))
}

const INSERT = [TASK_ID, ...fields('attempt kind nodeName subject state dueAt')]
const INSERTION = `${insertion('cleanups', INSERT)} on conflict do nothing`
const WHOLE = [...INSERT, ...fields('tries error')]

export function cleanupsOf(sql: Sql, key: AttemptKey): CleanupItem[] {
  return sql
    .all('select * from cleanups where task_id = ? and attempt = ?', key.id, key.attempt)
    .map(toItem)
    .sort((a, b) => CLEANUP_KINDS.indexOf(a.kind) - CLEANUP_KINDS.indexOf(b.kind))
}

export function isPending(sql: Sql, { id, attempt }: AttemptKey, kind: CleanupKind): boolean {
  const query = "select 1 from cleanups where task_id = ? and attempt = ? and kind = ? and state = 'pending'"
  return sql.one(query, id, attempt, kind) !== undefined
}

/** What can be tried now: due, and with nothing before it in the order of its subject, so that none crowds the others out. */
export function dueCleanups(sql: Sql, now: number, limit: number): CleanupItem[] {
  const query = `select * from cleanups c where state = 'pending' and due_at <= ? and not exists (
      select 1 from cleanups b where b.subject = c.subject and b.state = 'pending' and ${RANK('b')} < ${RANK('c')}
    ) order by due_at limit ?`
  return sql.all(query, now, limit).map(toItem)
}

const RANK = (alias: string) =>
  `case ${alias}.kind ${CLEANUP_KINDS.map((kind, rank) => `when '${kind}' then ${rank}`).join(' ')} end`

export function setCleanup(sql: Sql, item: CleanupItem, state: 'pending' | 'done', error: string | null = null): void {
  const query = 'update cleanups set state = ?, error = ? where subject = ? and kind = ?'
  sql.run(query, state, error, item.subject, item.kind)
}

export function delayCleanup(sql: Sql, item: CleanupItem, dueAt: number, error: string): void {
  const query = 'update cleanups set tries = tries + 1, due_at = ?, error = ? where subject = ? and kind = ?'
  sql.run(query, dueAt, error, item.subject, item.kind)
}

/** What is still to be done on a node: with kind `salvage`, the work that keeps it from being destroyed. */
export function pendingOn(sql: Sql, nodeName: string, kind: CleanupKind): CleanupItem[] {
  return sql
    .all("select * from cleanups where node_name = ? and kind = ? and state = 'pending'", nodeName, kind)
    .map(toItem)
}

const toItem = (row: Row): CleanupItem => objectOf(row, WHOLE)
