/**
 * The second database: failures and sweep actions, for people to read. How long steps took is in the journal. It may be lost: a broken one is set aside and
 * never stops the daemon. Rows come from the outbox of the first and are copied by id, so twice is once.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../core/errors.ts'
import { moveDurable } from '../platform/files.ts'
import type { ErrorRowJson } from '../protocol/control.ts'
import { fields, objectOf, readable } from './sqlite/fields.ts'
import { openSql, type Sql } from './sqlite/sql.ts'

const SCHEMA = `
  create table if not exists errors (
    id text primary key,
    at integer not null,
    level text not null,
    source text not null,
    task_id text,
    step text,
    code text not null,
    message text not null,
    context text not null
  ) strict;
  create index if not exists errors_at on errors (at);
  -- Of earlier versions, which never wrote it.
  drop table if exists timings;
`

export interface Observability {
  addErrors(rows: readonly { id: string; payload: Record<string, unknown> }[]): void
  /** The newest first; `before` is the id of the last row of the page before. */
  errors(filter: ErrorFilter): ErrorRowJson[]
  /** Drops what is older than `before`, and the oldest beyond `rowsMax`. */
  prune(before: number, rowsMax: number): number
  close(): void
}

export function openObservability(stateDir: string, now: number): Observability {
  const file = path.join(stateDir, 'observability.db')
  const sql = openOrSetAside(file, now)
  return {
    addErrors: rows => addErrors(sql, rows),
    errors: filter => readErrors(sql, filter),
    prune: (before, rowsMax) =>
      sql.run('delete from errors where at < ?', before) +
      sql.run('delete from errors where id not in (select id from errors order by at desc limit ?)', rowsMax),
    close: () => sql.close(),
  }
}

function openOrSetAside(file: string, now: number): Sql {
  try {
    return open(file)
  } catch {
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(file + suffix)) moveDurable(file + suffix, `${file}.broken-${now}${suffix}`)
    }
    return open(file)
  }
}

function open(file: string): Sql {
  const sql = openSql(file)
  // What is in it can be lost, so that it does not have to wait for the disk.
  sql.script('pragma busy_timeout = 1000; pragma journal_mode = wal; pragma synchronous = off')
  const verdict = Object.values(sql.one('pragma quick_check(1)') ?? {})[0]
  if (verdict !== 'ok') throw new TdfError('STATE_CORRUPT', `${file} is damaged (${verdict})`)
  sql.script(SCHEMA)
  return sql
}

function addErrors(sql: Sql, rows: Parameters<Observability['addErrors']>[0]): void {
  sql.script('begin immediate')
  try {
    for (const { id, payload } of rows) addError(sql, id, payload)
    sql.script('commit')
  } catch (error) {
    if (sql.inTransaction()) sql.script('rollback')
    throw error
  }
}

function addError(sql: Sql, id: string, payload: Record<string, unknown>): void {
  sql.run(
    'insert or ignore into errors (id, at, level, source, task_id, step, code, message, context) values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    id,
    Number(payload.at) || 0,
    String(payload.level),
    String(payload.source),
    payload.taskId == null ? null : String(payload.taskId),
    payload.step == null ? null : String(payload.step),
    String(payload.code),
    String(payload.message),
    JSON.stringify(payload.context ?? {}),
  )
}

interface ErrorFilter {
  taskId?: string
  before?: string
  limit: number
}

function readErrors(sql: Sql, filter: ErrorFilter): ErrorRowJson[] {
  const [taskId, before] = [filter.taskId ?? null, filter.before ?? null]
  const query = `select * from errors where (? is null or task_id = ?)
    and (? is null or (at, id) < (select at, id from errors where id = ?)) order by at desc, id desc limit ?`
  return readable(sql.all(query, taskId, taskId, before, before, filter.limit), row => {
    return { ...objectOf<ErrorRowJson>(row, ERROR), at: new Date(Number(row.at)).toISOString() }
  })
}

const ERROR = fields('id at level source taskId step code message', 'context')
