/** Attempts: everything about a task that changes, guarded by `rev`, scheduled by `wake_at`. */
import { copyOf } from '../../core/copy-task.ts'
import { withLimit } from '../../core/facts.ts'
import { type AttemptKey, doneBy, isTerminal, STATUSES, type Status, type Task, type Usage } from '../../core/task.ts'
import {
  assignments,
  columnsOf,
  type Field,
  fields,
  holes,
  jsonOf,
  objectOf,
  readable,
  TASK_ID,
  valuesOf,
} from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'
import { askedOf, TASK_COLUMNS } from './tasks.ts'

const INSERT = [TASK_ID, ...fields('attempt rev createdAt'), ...TASK_COLUMNS]
const INSERTION = `insert into attempts (${columnsOf(INSERT)}, wakes, live) values (${holes(INSERT)}, 0, 1) on conflict do nothing`
const WHOLE = [...fields('attempt rev wakes createdAt', 'continued'), ...TASK_COLUMNS]
const READ = [...fields('id', 'spec'), ...WHOLE]

/** A task as read, with the count of wake-ups that its writer must still find. */
export interface ReadTask extends Task {
  wakes: number
}

const SELECT = `select t.id, t.spec, ${columnsOf(WHOLE, 'a.')} from attempts a join tasks t on t.id = a.task_id`
const SELECT_ONE = `${SELECT} where a.task_id = ? and a.attempt = ?`
const SELECT_NEWEST = `${SELECT} and a.attempt = t.attempt where t.id = ?`

export function readAttempt(sql: Sql, key: AttemptKey): ReadTask | undefined {
  const row = sql.one(SELECT_ONE, key.id, key.attempt)
  return row && toTask(row)
}

/** The newest attempt of a task. */
export function readNewestAttempt(sql: Sql, id: string): ReadTask | undefined {
  const row = sql.one(SELECT_NEWEST, id)
  return row && toTask(row)
}

/** A part of a list of tasks. */
export interface TaskPage {
  tasks: ReadTask[]
  /** What the next page has as `before`; null when this one may be the last. */
  next: number | null
}

const SELECT_PAGE = `select t.id, t.spec, ${columnsOf(WHOLE, 'a.')}, t.number from attempts a
  join tasks t on t.id = a.task_id and a.attempt = t.attempt`

export interface TaskFilter {
  statuses?: readonly Status[]
  /** By name. */
  group?: string | undefined
  schedule?: string | undefined
  labels?: readonly (readonly [key: string, value: string])[]
  /** Only tasks that are over in every way, and ended before this time. */
  endedBefore?: number
  createdAfter?: number
  /** Only tasks that are older than the one of this number: the `next` of the page before. */
  before?: number
  limit: number
}

/** The newest attempts of tasks, newest task first. */
export function listTasks(sql: Sql, filter: TaskFilter): TaskPage {
  const { statuses = [], labels = [], group, schedule, endedBefore, createdAfter, before } = filter
  const conditions: [string, ...(string | number)[]][] = [['1 = 1']]
  if (statuses.length > 0) conditions.push([`a.status in (${statuses.map(() => '?').join(', ')})`, ...statuses])
  for (const label of labels) conditions.push([HAS_LABEL, ...label])
  if (group !== undefined) conditions.push([IN_GROUP, group])
  if (schedule !== undefined) conditions.push([`json_extract(t.spec, '$.schedule') = ?`, schedule])
  if (endedBefore !== undefined) conditions.push([ENDED, endedBefore, endedBefore])
  if (createdAfter !== undefined) conditions.push(['t.created_at >= ?', createdAfter])
  if (before !== undefined) conditions.push(['t.number < ?', before])
  const where = conditions.map(([text]) => text).join(' and ')
  const values = conditions.flatMap(([, ...rest]) => rest)
  const rows = sql.all(`${SELECT_PAGE} where ${where} order by t.number desc limit ?`, ...values, filter.limit)
  // A row that cannot be read is left out of the page, and never ends the list.
  const last = rows.length < filter.limit ? undefined : rows.at(-1)
  return { tasks: readable(rows, toTask), next: last === undefined ? null : Number(last.number) }
}

/** What is live, and the `ended` tasks that ended last: the newest first. */
export function listRecent(sql: Sql, ended: number): ReadTask[] {
  return readable(sql.all(RECENT, ended, ended, ended, ended), toTask)
}

/** One walk of the index for each terminal status, since it has them apart. */
const LAST_ENDED = STATUSES.filter(isTerminal).map(
  status => `select * from (select a.task_id, a.attempt, a.completed_at from attempts a
    cross join tasks t on t.id = a.task_id and t.attempt = a.attempt
    where a.live = 0 and a.status = '${status}' order by a.completed_at desc limit ?)`,
)

/** A cross join keeps SQLite to the order that is written: from the few to their rows. */
const RECENT = `with keys as (
    select task_id, attempt from attempts where live = 1
    union all select * from (
      select task_id, attempt from (${LAST_ENDED.join(' union all ')}) order by completed_at desc limit ?))
  select t.id, t.spec, ${columnsOf(WHOLE, 'a.')} from keys k
  cross join attempts a on a.task_id = k.task_id and a.attempt = k.attempt
  cross join tasks t on t.id = a.task_id and t.attempt = a.attempt order by t.number desc`

/** Members of a race go together: none before the last of them may. */
const ENDED = `a.step is null and a.completed_at < ? and not exists (select 1 from members m
  join task_groups g on g.name = m.group_name and g.kind = 'race' join members o on o.group_name = m.group_name
  join tasks u on u.id = o.task_id join attempts b on b.task_id = u.id and b.attempt = u.attempt
  where m.task_id = t.id and (b.step is not null or b.completed_at >= ?))`
const IN_GROUP = 'exists (select 1 from members m where m.task_id = t.id and m.group_name = ?)'
const HAS_LABEL = `exists (select 1 from json_each(t.spec, '$.labels') l where l.key = ? and l.value = ?)`

/** Every attempt that still has something to do. Read once, at start. */
export function readLive(sql: Sql): (AttemptKey & { wakeAt: number })[] {
  return sql
    .all('select task_id, attempt, wake_at from attempts where live = 1')
    .map(row => ({ id: String(row.task_id), attempt: Number(row.attempt), wakeAt: Number(row.wake_at) }))
}

/** The urls that live attempts begin from, and the folders of all tasks: what was uploaded cannot be had again. Looks through all. */
export function neededSources(sql: Sql): string[] {
  const query = `select distinct json_extract(t.spec, '$.repo.url') as url from tasks t
    where json_extract(t.spec, '$.repo.kind') = 'bundle'
      or exists (select 1 from attempts a where a.task_id = t.id and a.live = 1)`
  return sql.all(query).map(row => String(row.url))
}

/** How many live attempts have work on a node that is not home yet; after `salvage` it is there, or its node is held. */
export function unsavedAttemptsOn(sql: Sql, nodeName: string): number {
  const query = `select count(*) as count from attempts
    where live = 1 and node_name = ? and workspace_id is not null and step <> 'cleanup'`
  return Number(sql.one(query, nodeName)?.count)
}

/** False when it is there already; then nothing was changed. `continuedKey` is that of the request that continues the task. */
export function insertAttempt(sql: Sql, task: Task, continuedKey: string | null = null): boolean {
  if (sql.run(INSERTION, ...valuesOf(task, INSERT)) !== 1) return false
  const { id, attempt, continued } = task
  if (continued !== null) sql.run(CONTINUATION, JSON.stringify(continued), continuedKey, id, attempt)
  return true
}

const CONTINUATION = 'update attempts set continued = ?, continued_key = ? where task_id = ? and attempt = ?'

/** The attempt that was opened by the request with this key. */
export function findContinued(sql: Sql, id: string, key: string): ReadTask | undefined {
  const row = sql.one(`${SELECT} where a.task_id = ? and a.continued_key = ?`, id, key)
  return row && toTask(row)
}

/** Every attempt of a task that can be read, the oldest first. */
export function readAttempts(sql: Sql, id: string): ReadTask[] {
  return readable(sql.all(`${SELECT} where a.task_id = ? order by a.attempt`, id), toTask)
}

/**
 * Writes an outcome over what was `seen` and answers the attempt as it is stored. False when the attempt was moved
 * since. A wake-up that came in meanwhile is never overwritten by a later one: it makes the next wake now.
 */
export function updateAttempt(sql: Sql, seen: ReadTask, outcome: Task, now: number): ReadTask | false {
  // Mostly no signal came meanwhile, and one guarded statement is all it takes.
  return write(sql, seen, outcome, seen.wakes, outcome.wakeAt) || writeWoken(sql, seen, outcome, now)
}

function writeWoken(sql: Sql, seen: ReadTask, outcome: Task, now: number): ReadTask | false {
  const stored = sql.one('select wakes from attempts where task_id = ? and attempt = ?', seen.id, seen.attempt)
  return stored !== undefined && write(sql, seen, outcome, Number(stored.wakes), now)
}

function write(sql: Sql, seen: ReadTask, outcome: Task, wakes: number, wakeAt: number | null): ReadTask | false {
  const { id, attempt, rev } = seen
  const live = outcome.step !== null
  const stored: ReadTask = Object.assign(copyOf(outcome), { rev: rev + 1, wakes, wakeAt: live ? wakeAt : null })
  const { statement, columns } = updateFor(changesBetween(seen, stored), live)
  return sql.run(statement, ...valuesOf(stored, columns), id, attempt, rev, wakes) === 1 && stored
}

/**
 * What differs, a bit for each of TASK_COLUMNS. An outcome changes seven of twenty-three, and each column that is bound
 * costs 1 µs (with src/core/copy-task.ts 11 % of the throughput row). A signal may have moved the wake since it was read, so that one always counts as changed.
 */
function changesBetween(seen: object, stored: object): number {
  const [before, after] = [seen as Record<string, unknown>, stored as Record<string, unknown>]
  let bits = 0
  for (let index = 0; index < TASK_COLUMNS.length; index++) {
    const { property } = TASK_COLUMNS[index] as Field
    if (property === 'wakeAt' || before[property] !== after[property]) bits |= 1 << index
  }
  return bits
}

interface Update {
  statement: string
  columns: readonly Field[]
}

const updates = { live: new Map<number, Update>(), last: new Map<number, Update>() }

function updateFor(changes: number, live: boolean): Update {
  const known = updates[live ? 'live' : 'last'].get(changes)
  if (known) return known
  const columns = TASK_COLUMNS.filter((_, index) => changes & (1 << index))
  // Naming `live` rewrites its index entry, whatever its value.
  const statement = `update attempts set rev = rev + 1, ${live ? '' : 'live = 0, '}${assignments(columns)} ${GUARD}`
  const update = { statement, columns }
  updates[live ? 'live' : 'last'].set(changes, update)
  return update
}

const GUARD = 'where task_id = ? and attempt = ? and rev = ? and wakes = ?'

/** Pulls the wake of a live attempt to `at`. Never touches `rev`: a signal is no change of state. */
export function wakeAttempt(sql: Sql, key: AttemptKey, at: number): boolean {
  return sql.run(WAKE, at, key.id, key.attempt) === 1
}

const WAKE =
  'update attempts set wakes = wakes + 1, wake_at = min(wake_at, ?) where task_id = ? and attempt = ? and live = 1'

/** Those that rest for what they, or many tasks, may cost. */
export function pausedAttempts(sql: Sql): AttemptKey[] {
  const query = `select task_id, attempt from attempts
    where live = 1 and status = 'parked' and json_extract(facts, '$.paused') is not null`
  return sql.all(query).map(row => ({ id: String(row.task_id), attempt: Number(row.attempt) }))
}

/** What earlier attempts of the same task used. */
export function usagesBefore(sql: Sql, key: AttemptKey): Usage[] {
  const query = 'select usage from attempts where task_id = ? and attempt < ? and usage is not null'
  const rows = sql.all(query, key.id, key.attempt)
  // What wrote the column was a Usage.
  return readable(rows, row => jsonOf(row, 'usage') as Usage)
}

/** The same, and of the attempt itself. */
export const usagesUntil = (sql: Sql, { id, attempt }: AttemptKey): Usage[] =>
  usagesBefore(sql, { id, attempt: attempt + 1 })

function toTask(row: Row): ReadTask {
  const task = objectOf<ReadTask>(row, READ)
  if (task.continued !== null) task.spec = askedOf(task.spec, task.continued)
  if (task.facts.agent !== undefined) task.spec = doneBy(task.spec, task.facts.agent)
  task.spec = withLimit(task.spec, task.facts)
  return task
}
