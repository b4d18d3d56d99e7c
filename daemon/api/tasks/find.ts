/** Task references: a full id, a prefix of four or more characters that fits one task, `@last` or `@last-failed`. */
import { TdfError } from '../../../src/core/errors.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import type { Store } from '../../../src/store/store.ts'
import { listRecent, listTasks, type ReadTask, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { countTasks, findByPrefix, lastId } from '../../../src/store/tables/tasks.ts'

const PREFIX_MIN = 4

/** Throws NOT_FOUND or AMBIGUOUS. */
export function findTask(sql: Sql, reference: string): ReadTask {
  const task = readNewestAttempt(sql, resolve(sql, reference))
  if (task) return task
  throw new TdfError('NOT_FOUND', `there is no task "${reference}"`)
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
