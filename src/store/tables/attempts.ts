/** Attempts: everything about a task that changes, guarded by `rev`, scheduled by `wake_at`. */
import type { Task, Usage } from '../../core/task.ts'
import {
  assignments,
  columnsOf,
  type Field,
  fields,
  holes,
  jsonOf,
  objectFrom,
  objectOf,
  readable,
  valuesOf,
} from '../sqlite/fields.ts'
import type { Row, Sql } from '../sqlite/sql.ts'

export interface AttemptKey {
  id: string
  attempt: number
}

/** What an outcome writes. */
const STATE = fields(
  [
    ...['status', 'step', 'stepEnteredAt', 'stepAttempt', 'wakeAt', 'deadlineAt', 'absoluteAt', 'waitingFor'],
    ...['parkedUntil', 'placement', 'nodeName', 'workspaceId', 'sessionId', 'verdict', 'cleanup'],
    ...['startedAt', 'completedAt', 'updatedAt', 'engineVersion'],
  ],
  ['facts', 'result', 'usage', 'error'],
)
const PROPERTIES = STATE.map(({ property }) => property)
const WAKE_BIT = 1 << PROPERTIES.indexOf('wakeAt')
const WHOLE = [...fields(['attempt', 'rev', 'wakes', 'createdAt']), ...STATE]
const KEY: Field = { property: 'id', column: 'task_id', kind: 'plain' }
const INSERT = [KEY, ...fields(['attempt', 'rev', 'createdAt']), ...STATE]
const INSERTION = `insert into attempts (${columnsOf(INSERT)}, wakes, live) values (${holes(INSERT)}, 0, 1) on conflict do nothing`

/** A task as read, with the count of wake-ups that its writer must still find. */
export interface ReadTask extends Task {
  wakes: number
}

const SELECT = `select t.id, t.spec, ${columnsOf(WHOLE, 'a.')} from attempts a join tasks t on t.id = a.task_id`
const SELECT_ONE = `${SELECT} where a.task_id = ? and a.attempt = ?`
const SELECT_NEWEST = `${SELECT} and a.attempt = t.attempt where t.id = ?`
const READ = [...fields(['id']), ...fields([], ['spec']), ...WHOLE]

export function readAttempt(sql: Sql, key: AttemptKey): ReadTask | undefined {
  const values = sql.values(SELECT_ONE, key.id, key.attempt)
  return values && objectFrom(values, READ)
}

/** The newest attempt of a task. */
export function readNewestAttempt(sql: Sql, id: string): ReadTask | undefined {
  const values = sql.values(SELECT_NEWEST, id)
  return values && objectFrom(values, READ)
}

/** The newest attempts of tasks, newest task first. `where` is ours; its values are bound. */
export function readNewest(sql: Sql, where: string, values: (string | number)[], limit: number): ReadTask[] {
  const rows = sql.all(
    `${SELECT} and a.attempt = t.attempt where ${where} order by t.number desc limit ?`,
    ...values,
    limit,
  )
  return readable(rows, toTask)
}

/** Every attempt that still has something to do. Read once, at start. */
export function readLive(sql: Sql): (AttemptKey & { wakeAt: number })[] {
  return sql
    .all('select task_id, attempt, wake_at from attempts where live = 1')
    .map(row => ({ id: String(row.task_id), attempt: Number(row.attempt), wakeAt: Number(row.wake_at) }))
}

/** How many live attempts have work on a node that is not home yet; after `salvage` it is there, or somebody keeps it. */
export function unsavedAttemptsOn(sql: Sql, nodeName: string): number {
  const row = sql.one(
    `select count(*) as count from attempts
     where live = 1 and node_name = ? and workspace_id is not null and step <> 'cleanup'`,
    nodeName,
  )
  return Number(row?.count)
}

/** False when it is there already; then nothing was changed. */
export function insertAttempt(sql: Sql, task: Task): boolean {
  return sql.run(INSERTION, ...valuesOf(task, INSERT)) === 1
}

/**
 * Writes an outcome over what was `seen`. False when somebody moved the attempt since. A wake-up that came in
 * meanwhile is never overwritten by a later one: it makes the next wake now. Answers `outcome`, which has become the
 * attempt as it is stored: its `rev`, `wakes` and `wakeAt` are set.
 */
export function updateAttempt(sql: Sql, seen: ReadTask, outcome: Task, now: number): ReadTask | false {
  // Mostly nobody called meanwhile, and one guarded statement is all it takes.
  return write(sql, seen, outcome, seen.wakes, outcome.wakeAt) || writeWoken(sql, seen, outcome, now)
}

function writeWoken(sql: Sql, seen: ReadTask, outcome: Task, now: number): ReadTask | false {
  const stored = sql.one('select wakes from attempts where task_id = ? and attempt = ?', seen.id, seen.attempt)
  return stored !== undefined && write(sql, seen, outcome, Number(stored.wakes), now)
}

function write(sql: Sql, seen: ReadTask, outcome: Task, wakes: number, wakeAt: number | null): ReadTask | false {
  const { id, attempt, rev } = seen
  const live = outcome.step !== null
  const stored = outcome as ReadTask
  stored.rev = rev + 1
  stored.wakes = wakes
  stored.wakeAt = live ? wakeAt : null
  const { statement, changed } = updateFor(changesBetween(seen, stored), live)
  const rows = sql.run(statement, ...valuesOf(stored, changed), id, attempt, rev, wakes)
  return rows === 1 && stored
}

/** Each column that is bound costs 1 µs; an outcome changes seven of twenty-three, and mostly no JSON. A bit for each. */
function changesBetween(seen: object, stored: object): number {
  const [before, after] = [seen as Record<string, unknown>, stored as Record<string, unknown>]
  let bits = WAKE_BIT
  for (let index = 0; index < PROPERTIES.length; index++) {
    const property = PROPERTIES[index] as string
    if (before[property] !== after[property]) bits |= 1 << index
  }
  return bits
}

interface Update {
  statement: string
  changed: readonly Field[]
}

/** A statement for each set of columns that ever changed together: some dozens of them. */
const [goingOn, ending] = [new Map<number, Update>(), new Map<number, Update>()]

function updateFor(bits: number, live: boolean): Update {
  const known = (live ? goingOn : ending).get(bits)
  if (known) return known
  const changed = STATE.filter((_, index) => bits & (1 << index))
  // Naming `live` rewrites its index entry, whatever its value.
  const statement = `update attempts set rev = rev + 1${live ? '' : ', live = 0'}, ${assignments(changed)}
    where task_id = ? and attempt = ? and rev = ? and wakes = ?`
  const update = { statement, changed }
  ;(live ? goingOn : ending).set(bits, update)
  return update
}

/** Pulls the wake of a live attempt to `at`. Never touches `rev`: a signal is no change of state. */
export function wakeAttempt(sql: Sql, key: AttemptKey, at: number): boolean {
  return (
    sql.run(
      'update attempts set wakes = wakes + 1, wake_at = min(wake_at, ?) where task_id = ? and attempt = ? and live = 1',
      at,
      key.id,
      key.attempt,
    ) === 1
  )
}

/** What earlier attempts of the same task used. */
export function usagesBefore(sql: Sql, key: AttemptKey): Usage[] {
  const rows = sql.all(
    'select usage from attempts where task_id = ? and attempt < ? and usage is not null',
    key.id,
    key.attempt,
  )
  // What wrote the column was a Usage.
  return readable(rows, row => jsonOf(row, 'usage') as Usage)
}

function toTask(row: Row): ReadTask {
  return objectOf(row, READ)
}
