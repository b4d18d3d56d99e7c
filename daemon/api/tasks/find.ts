/**
 * Task references: a full id, a prefix of four or more characters that fits one task, `@last` or `@last-failed`; the name of a race
 * is its winner. Where a result is read, `@N` behind one names an attempt.
 */
import { TdfError } from '../../../src/core/errors.ts'
import { readGroup } from '../../../src/store/groups/groups.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  listRecent,
  listTasks,
  type ReadTask,
  readAttempt,
  readNewestAttempt,
} from '../../../src/store/tables/attempts.ts'
import { countTasks, findByPrefix, lastId } from '../../../src/store/tables/tasks.ts'

const PREFIX_MIN = 4

/** The newest attempt, for what is done to a task as a whole. Throws NOT_FOUND, AMBIGUOUS, or USAGE for the name of an attempt. */
export function findTask(sql: Sql, reference: string): ReadTask {
  const { of, attempt } = parts(reference)
  const task = newestOf(sql, of)
  if (attempt === null) return task
  throw new TdfError('USAGE', `"${reference}" names an attempt; this is done to the task: ${task.id}`, {
    hint: `tdf show ${task.id}@${attempt}`,
  })
}

/** The newest attempt, or the one that is named by `TASK@N`. Throws NOT_FOUND or AMBIGUOUS. */
export function findAttempt(sql: Sql, reference: string): ReadTask {
  const { of, attempt } = parts(reference)
  const task = newestOf(sql, of)
  if (attempt === null || attempt === task.attempt) return task
  const named = readAttempt(sql, { id: task.id, attempt })
  if (named) return named
  const count = task.attempt === 1 ? 'one attempt' : `${task.attempt} attempts`
  throw new TdfError('NOT_FOUND', `task ${task.id} has no attempt ${attempt}; it has ${count}`, {
    hint: `tdf show ${task.id}`,
  })
}

/** Whether a reference names one attempt. */
export const isAttempt = (reference: string) => parts(reference).attempt !== null

function parts(reference: string): { of: string; attempt: number | null } {
  const [, of = reference, attempt] = /^(.+)@(\d{1,6})$/.exec(reference) ?? []
  return { of, attempt: attempt === undefined ? null : Number(attempt) }
}

function newestOf(sql: Sql, reference: string): ReadTask {
  const task = readNewestAttempt(sql, resolve(sql, reference)) ?? winnerNamed(sql, reference)
  if (task) return task
  throw new TdfError('NOT_FOUND', `there is no task "${reference}"`)
}

/** Of the race with this name. Throws WRONG_STATE while none has won. */
function winnerNamed(sql: Sql, name: string): ReadTask | undefined {
  const group = readGroup(sql, name)
  if (group?.kind !== 'race') return undefined
  if (group.winner !== null) return readNewestAttempt(sql, group.winner)
  throw new TdfError('WRONG_STATE', `nobody has won the race ${name}, so it names no task`, {
    hint: `tdf wait --group ${name}`,
  })
}

function resolve(sql: Sql, reference: string): string {
  if (reference === '@last') {
    const id = lastId(sql)
    if (id) return id
    throw new TdfError('NOT_FOUND', 'there is no task yet', { hint: 'tdf submit --help' })
  }
  if (reference === '@last-failed') {
    const [task] = listTasks(sql, { statuses: ['failed'], limit: 1 }).tasks
    if (task) return task.id
    throw new TdfError('NOT_FOUND', 'no task has failed', { hint: 'tdf ls --all' })
  }
  if (!/^[a-z0-9-]+$/i.test(reference) || reference.length < PREFIX_MIN) return reference
  const found = findByPrefix(sql, reference.toLowerCase())
  if (found.includes(reference)) return reference
  if (found.length > 1) {
    throw new TdfError('AMBIGUOUS', `"${reference}" could be ${found.slice(0, 3).join(', ')}; type more of it`)
  }
  return found[0] ?? reference
}

/** How many ended tasks are in it. */
const ENDED_MAX = 50

/** The short list: what is live, and what ended last. `more` tasks are not in it. */
export function recentTasks({ sql }: Pick<Store, 'sql'>): { tasks: ReadTask[]; more: number } {
  const tasks = listRecent(sql, ENDED_MAX)
  return { tasks, more: Math.max(countTasks(sql) - tasks.length, 0) }
}
