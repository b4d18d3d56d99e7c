/** Which tasks a request is about, and whether it only asks what would happen. */
import type { Context } from 'hono'
import { TdfError } from '../../src/errors.ts'
import type { TaskFilter } from '../../src/store/tasks.ts'
import { STATUSES, type Status } from '../../src/task.ts'

const LIST_MAX = 10_000

/** Undefined when nothing narrows the list down and not all are wanted. Throws USAGE. */
export function taskFilter(c: Context): TaskFilter | undefined {
  const statuses = (c.req.queries('status') ?? []).map(statusOf)
  const labels = (c.req.queries('label') ?? []).map(labelOf)
  const times = {
    ...numberOf(c, 'ended_before', 'endedBefore'),
    ...numberOf(c, 'created_after', 'createdAfter'),
  }
  const { limit = LIST_MAX } = numberOf(c, 'limit', 'limit')
  const isNarrowed = [statuses, labels, Object.keys(times)].some(({ length }) => length > 0) || limit < LIST_MAX
  if (!isNarrowed && c.req.query('all') !== 'true') return undefined
  return { statuses, labels, ...times, limit: Math.min(limit, LIST_MAX) }
}

/** Everything is checked as if it were meant, and nothing is changed. */
export const isDryRun = (c: Context) => c.req.query('dry_run') === 'true'

function statusOf(text: string): Status {
  const found = STATUSES.find(status => status === text)
  if (found) return found
  throw new TdfError('USAGE', `"${text}" is no status; they are: ${STATUSES.join(', ')}`, { hint: 'tdf ls --help' })
}

function labelOf(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)]
  throw new TdfError('BAD_REQUEST', `label: "${text}" does not look like key=value`, { field: 'label' })
}

function numberOf<Name extends string>(c: Context, field: string, name: Name): { [K in Name]?: number } {
  const text = c.req.query(field)
  if (text === undefined) return {}
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 0) return { [name]: number } as { [K in Name]?: number }
  throw new TdfError('BAD_REQUEST', `${field}: it must be a whole number`, { field })
}
