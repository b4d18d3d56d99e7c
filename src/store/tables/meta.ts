/** What is known beside tasks and nodes: facts of the installation, usage limits of credentials, tokens that were issued; what a jump of the clock does to times. */
import { TdfError } from '../../core/errors.ts'
import { fields, insertion, objectOf, valuesOf } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

export function readMeta(sql: Sql, key: string): string | undefined {
  const row = sql.one('select value from meta where key = ?', key)
  return row && String(row.value)
}

export function writeMeta(sql: Sql, key: string, value: string): void {
  const query = 'insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value'
  sql.run(query, key, value)
}

export function removeMeta(sql: Sql, key: string): void {
  sql.run('delete from meta where key = ?', key)
}

const RESTORED = 'restored'

/** The database is a copy from an earlier time: what was done since is not in it. */
export function markRestored(sql: Sql): void {
  writeMeta(sql, RESTORED, '1')
}

export function isRestored(sql: Sql): boolean {
  return readMeta(sql, RESTORED) === '1'
}

export function clearRestored(sql: Sql): void {
  writeMeta(sql, RESTORED, '0')
}

/** Until when a credential has nothing left: one row for each, whichever task met the limit. */
export function raiseLimit(sql: Sql, credential: string | null, until: number, now: number): void {
  if (credential === null) return
  const query = `insert into limits (credential, until, at) values (?, ?, ?)
    on conflict (credential) do update set until = max(until, excluded.until), at = excluded.at`
  sql.run(query, credential, until, now)
}

export function limitOf(sql: Sql, credential: string | null): number | null {
  const row = credential === null ? undefined : sql.one('select until from limits where credential = ?', credential)
  return row ? Number(row.until) : null
}

/** Credential → until, of those that still hold. */
export function limitsAt(sql: Sql, now: number): Map<string, number> {
  const rows = sql.all('select credential, until from limits where until > ?', now)
  return new Map(rows.map(row => [String(row.credential), Number(row.until)]))
}

/** A callback token that was issued, by hash. It stays known until the task is removed. */
export interface Token {
  scope: 'workspace' | 'node'
  /** The workspace's id or the node's name. */
  subject: string
  taskId: string | null
  attempt: number | null
}

export function issueToken(sql: Sql, hash: string, token: Token): void {
  sql.run(ISSUE, hash, ...valuesOf(token, TOKEN))
}

const TOKEN = fields('scope subject taskId attempt')
const ISSUE = `${insertion('tokens', [...fields('hash'), ...TOKEN])} on conflict do nothing`

export function readToken(sql: Sql, hash: string): Token | undefined {
  const row = sql.one('select scope, subject, task_id, attempt from tokens where hash = ?', hash)
  return row && objectOf(row, TOKEN)
}

const SEALED = 'sealed:'

/** Files of the installation, sealed: see ledger/state-files.ts. */
export function readSealed(sql: Sql): { name: string; sealed: string }[] {
  const rows = sql.all(`select key, value from meta where key >= '${SEALED}' and key < 'sealed;' order by key`)
  return rows.map(({ key, value }) => ({ name: String(key).slice(SEALED.length), sealed: String(value) }))
}

export function writeSealed(sql: Sql, name: string, sealed: string): void {
  writeMeta(sql, SEALED + name, sealed)
}

export function removeSealed(sql: Sql, name: string): void {
  removeMeta(sql, SEALED + name)
}

const MOVED = 'moved_to'

/** Where the state is that these rows are a left copy of; null: they are the state. */
export function movedTo(sql: Sql): string | null {
  return readMeta(sql, MOVED) ?? null
}

export function writeMoved(sql: Sql, to: string): void {
  writeMeta(sql, MOVED, to)
}

export function clearMoved(sql: Sql): void {
  removeMeta(sql, MOVED)
}

const BACKUP_OF = 'backup_of'

/** The id of the installation whose backup these rows are; null: they are none, or of a file. */
export function backupOf(sql: Sql): string | null {
  return readMeta(sql, BACKUP_OF) ?? null
}

export function writeBackupOf(sql: Sql, installId: string): void {
  writeMeta(sql, BACKUP_OF, installId)
}

export function clearBackupOf(sql: Sql): void {
  removeMeta(sql, BACKUP_OF)
}

/** Throws STATE_ELSEWHERE when the state is not here any more. */
export function refuseMoved(sql: Sql): void {
  const where = movedTo(sql)
  if (where !== null) throw elsewhereError(where)
}

export function elsewhereError(where: string): TdfError {
  const message = `the state is not here any more: it went to ${where}. What is left is a copy that must not act for it`
  return new TdfError('STATE_ELSEWHERE', message)
}

/**
 * Inside a write: nothing could run for `gapMs`, so every running deadline moves along. `rev` goes up, so that a run which
 * read the old deadline is taken again instead of writing it back. A clock that was set back (`gapMs` < 0) takes what is
 * planned along, or it would all come late by so much.
 */
export function moveTimes(sql: Sql, gapMs: number): void {
  sql.run(
    'update attempts set rev = rev + 1, deadline_at = deadline_at + ?, absolute_at = absolute_at + ? where live = 1',
    gapMs,
    gapMs,
  )
  sql.run('update nodes set rev = rev + 1, deadline_at = deadline_at + ? where deadline_at is not null', gapMs)
  if (gapMs >= 0) return
  sql.run('update attempts set wake_at = wake_at + ? where live = 1', gapMs)
  sql.run('update nodes set rev = rev + 1, wake_at = wake_at + ? where wake_at is not null', gapMs)
  sql.run(
    'update nodes set paid_from = paid_from + ?, paid_until = paid_until + ? where paid_until is not null',
    gapMs,
    gapMs,
  )
  sql.run("update cleanups set due_at = due_at + ? where state = 'pending'", gapMs)
  sql.run('update outbox set due_at = due_at + ?', gapMs)
}
