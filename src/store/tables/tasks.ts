/** Tasks: what was asked for, once, and which attempt is the newest. */
import type { AgentSpec, FallbackSpec } from '../../core/agent.ts'
import { type AttemptKey, doneBy, type Status, type Task, type TaskSpec } from '../../core/task.ts'
import { dropChildren } from '../groups/children.ts'
import { dropEdges } from '../groups/edges.ts'
import { fields, jsonOf, objectOf, readable, TASK_ID } from '../sqlite/fields.ts'
import type { Sql } from '../sqlite/sql.ts'

/**
 * What an attempt of a task carries and an outcome may change, as columns of `attempts` (JSON in the second list): a new
 * one needs its property in Task, its place here, and a migration. What is written once, at submit, is in the spec.
 */
export const TASK_COLUMNS = fields(
  `status step stepEnteredAt stepAttempt wakeAt deadlineAt absoluteAt waitingFor parkedUntil placement nodeName
   workspaceId sessionId verdict cleanup startedAt completedAt updatedAt engineVersion`,
  'facts result usage error',
)

/** What an attempt is asked for: what the task was, with what `tdf continue` said otherwise. */
export function askedOf(spec: TaskSpec, continued: Task['continued']): TaskSpec {
  return continued === null ? spec : { ...spec, ...continued.change, firstPrompt: spec.prompt }
}

export interface NewTask {
  id: string
  /** The group that it is put into, and under which key of it. */
  member?: { group: string; key: string | null } | undefined
  /** Whose agent handed it over, and the task at the top. */
  child?: { parent: string; root: string } | undefined
  spec: TaskSpec
  idempotencyKey: string | null
  idempotencyHash: string | null
  createdAt: number
}

/** False when there is a task of this id; then nothing was changed. */
export function insertTask(sql: Sql, task: NewTask): boolean {
  const { id, spec, idempotencyKey, idempotencyHash, createdAt } = task
  return sql.run(INSERTION, id, JSON.stringify(spec), idempotencyKey, idempotencyHash, createdAt) === 1
}

const INSERTION = `insert into tasks (id, number, attempt, spec, idempotency_key, idempotency_hash, created_at)
  values (?, (select coalesce(max(number), 0) + 1 from tasks), 1, ?, ?, ?, ?) on conflict (id) do nothing`

export function newestKey(sql: Sql, id: string): AttemptKey | undefined {
  const row = sql.one('select attempt from tasks where id = ?', id)
  return row && { id, attempt: Number(row.attempt) }
}

export function raiseAttempt(sql: Sql, id: string, attempt: number): void {
  sql.run('update tasks set attempt = ? where id = ? and attempt = ? - 1', attempt, id, attempt)
}

export function findByIdempotencyKey(sql: Sql, key: string): { id: string; hash: string } | undefined {
  const row = sql.one('select id, idempotency_hash from tasks where idempotency_key = ?', key)
  return row && { id: String(row.id), hash: String(row.idempotency_hash) }
}

/** Of what it was asked for; undefined when there is no such task. */
export function hashOfTask(sql: Sql, id: string): string | undefined {
  const row = sql.one('select idempotency_hash from tasks where id = ?', id)
  return row && String(row.idempotency_hash)
}

/** Ids that begin with `prefix`, at most three: enough to tell one from several. */
export function findByPrefix(sql: Sql, prefix: string): string[] {
  return sql
    .all('select id from tasks where id >= ? and id < ? || char(1114111) order by id limit 3', prefix, prefix)
    .map(row => String(row.id))
}

/** Of the task that was submitted last; one that checks a landing of another is nobody's. */
export function lastId(sql: Sql): string | undefined {
  const row = sql.one(`select id from tasks t where not exists (
      select 1 from tasks landed where landed.id = json_extract(t.spec, '$.labels.landing')
    ) order by number desc limit 1`)
  return row && String(row.id)
}

/**
 * Tasks by the status of their newest attempt. All attempts from the indexes, less those that a retry left behind: with
 * 100 000 kept tasks 6 ms, where a join of them all takes 330.
 */
export function countByStatus(sql: Sql): Record<string, number> {
  const counts = new Map<string, number>()
  const add = (query: string, sign: 1 | -1) => {
    for (const { status, count } of sql.all(query)) {
      counts.set(String(status), (counts.get(String(status)) ?? 0) + sign * Number(count))
    }
  }
  add('select status, count(*) as count from attempts where live = 0 group by 1', 1)
  add('select status, count(*) as count from attempts where live = 1 group by 1', 1)
  add(LEFT_BEHIND, -1)
  return Object.fromEntries([...counts].filter(([, count]) => count > 0))
}

const LEFT_BEHIND = `select a.status, count(*) as count from tasks t
  join attempts a on a.task_id = t.id and a.attempt < t.attempt where t.attempt > 1 group by 1`

export function countTasks(sql: Sql): number {
  return Number(sql.one('select count(*) as count from tasks')?.count)
}

/** Attempts that still have something to do, by status: cheap, however many there have ever been. */
export function countLive(sql: Sql): Record<string, number> {
  const rows = sql.all('select status, count(*) as count from attempts where live = 1 group by 1')
  return Object.fromEntries(rows.map(row => [String(row.status), Number(row.count)]))
}

/** Live attempts by agent and status. */
export function countByAgent(sql: Sql): { agent: AgentSpec; status: Status; count: number }[] {
  const of = (place: string) =>
    `coalesce(json_extract(a.continued, '$.change.${place}'), json_extract(t.spec, '$.${place}')) as ${place}`
  const query = `select ${of('agent')}, ${of('fallback')}, json_extract(a.facts, '$.agent') as name, a.status, count(*) as count
    from attempts a join tasks t on t.id = a.task_id where a.live = 1 group by 1, 2, 3, 4`
  // What wrote the columns was an AgentSpec, a FallbackSpec and a Status.
  return readable(sql.all(query), row => {
    const asked = jsonOf(row, 'agent') as AgentSpec
    const others = (jsonOf(row, 'fallback') as FallbackSpec | null)?.agents ?? []
    return {
      agent: others.find(({ name }) => name === row.name) ?? asked,
      status: String(row.status) as Status,
      count: Number(row.count),
    }
  })
}

/** When the attempt that has waited longest for a slot was queued. */
export function oldestQueuedAt(sql: Sql): number | null {
  const row = sql.one(`select min(coalesce(json_extract(facts, '$.releasedAt'), created_at)) as at from attempts
    where live = 1 and step = 'node_selection' and json_extract(facts, '$.awaits') is null`)
  return row?.at == null ? null : Number(row.at)
}

/** Counts up with every task: the order of age. */
export function taskNumber(sql: Sql, id: string): number {
  return Number(sql.one('select number from tasks where id = ?', id)?.number ?? 0)
}

/** Attempts in the queue: they wait for a slot and hold no reservation. */
/** The attempts whose repository was being fetched. */
export function readFetching(sql: Sql): { id: string; attempt: number }[] {
  const query = `select task_id, attempt from attempts where live = 1 and step = 'node_selection' and status = 'queued'
    and json_type(facts, '$.source') = 'null'`
  return sql.all(query).map(row => ({ id: String(row.task_id), attempt: Number(row.attempt) }))
}

export function readWaiting(sql: Sql): { id: string; attempt: number; spec: TaskSpec }[] {
  const rows = sql.all(
    `select a.task_id, a.attempt, a.continued, t.spec, json_extract(a.facts, '$.agent') as agent
     from attempts a join tasks t on t.id = a.task_id
     left join reservations r on r.task_id = a.task_id and r.attempt = a.attempt
     where a.live = 1 and a.step = 'node_selection' and a.status = 'queued' and r.task_id is null
       and json_type(a.facts, '$.source') is not 'null' and json_extract(a.facts, '$.awaits') is null`,
  )
  return readable(rows, row => {
    const { continued, spec, ...key } = objectOf<Pick<Task, 'id' | 'attempt' | 'spec' | 'continued'>>(row, WAITING)
    return { ...key, spec: doneBy(askedOf(spec, continued), row.agent === null ? undefined : String(row.agent)) }
  })
}

const WAITING = [TASK_ID, ...fields('attempt', 'spec continued')]

/** Forgets a task and everything that hangs on it but its history in the journal. */
export function deleteTask(sql: Sql, id: string): void {
  dropEdges(sql, id)
  for (const table of [
    'workspaces',
    'reservations',
    'inbox',
    'tokens',
    'cleanups',
    'pushes',
    'landings',
    'watches',
    'members',
    'reply_codes',
    'agent_calls',
    'attempts',
  ]) {
    sql.run(`delete from ${table} where task_id = ?`, id)
  }
  sql.run('delete from tasks where id = ?', id)
  dropChildren(sql, id)
}
