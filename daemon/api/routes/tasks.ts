/** Submit, look, and change tasks. */
import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { TdfError } from '../../../src/core/errors.ts'
import type { RaceSpec } from '../../../src/core/source.ts'
import { isTerminal, STATUSES, type Status } from '../../../src/core/task.ts'
import { MORE, NEXT_PAGE, type TaskJson } from '../../../src/protocol/control.ts'
import { idPattern, parseBody } from '../../../src/protocol/shapes.ts'
import { SERVER_LABEL, type SubmitRequest, submitRequest } from '../../../src/protocol/submit.ts'
import { listTasks, type ReadTask, type TaskFilter } from '../../../src/store/tables/attempts.ts'
import { readNewestEvents } from '../../../src/store/tables/journal.ts'
import type { RunningEngine } from '../../build.ts'
import { taskOfKey } from '../../engine/api.ts'
import { forecast } from '../../placement/forecast.ts'
import { plannedSource } from '../../results/sources/access.ts'
import { assertRoom, jsonBody, numberOf } from '../guard.ts'
import { accept, freshTaskId } from '../tasks/accept.ts'
import { RAISED_HINT, refusedAllowance } from '../tasks/budget.ts'
import { findAttempt, findTask, isAttempt, recentTasks } from '../tasks/find.ts'
import { eventJson, taskJson } from '../tasks/json.ts'
import { progressOf } from '../tasks/progress.ts'
import { why } from '../tasks/why.ts'

/** Of a task, its newest: many times what its newest attempt has. */
const EVENTS_MAX = 10_000

export function taskRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()
  const shown = (reference: string) => taskJson(store.sql, findAttempt(store.sql, reference))

  app.post('/tasks', c => submit(engine, c, shown))

  app.get('/tasks', c => {
    const filter = taskFilter(c)
    return c.json((filter ? page(filter) : recent()).map(task => taskJson(store.sql, task)))

    function page(filter: TaskFilter): readonly ReadTask[] {
      const { tasks, next } = listTasks(store.sql, filter)
      if (next !== null) c.header(NEXT_PAGE, String(next))
      return tasks
    }

    function recent(): readonly ReadTask[] {
      const { tasks, more } = recentTasks(store)
      c.header(MORE, String(more))
      return tasks
    }
  })

  app.get('/tasks/:task', c => c.json(shown(c.req.param('task'))))
  app.get('/tasks/:task/why', async c => {
    const found = findAttempt(store.sql, c.req.param('task'))
    const progress = await progressOf(engine, found, c.req.raw.signal)
    const now = findAttempt(store.sql, c.req.param('task'))
    return c.json(why(engine, now, now.step === found.step ? progress : null))
  })
  app.get('/tasks/:task/events', c => {
    const reference = c.req.param('task')
    const { id, attempt } = findAttempt(store.sql, reference)
    const events = readNewestEvents(store.sql, id, EVENTS_MAX)
    return c.json(events.filter(event => !isAttempt(reference) || event.attempt === attempt).map(eventJson))
  })

  app.post('/tasks/:task/cancel', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    if (isDryRun(c)) {
      if (isTerminal(task.status)) throw wrongState(task.id, 'cancelled', `it is ${task.status}`)
      return c.json(shown(task.id))
    }
    const answer = await engine.signal({ kind: 'cancel', taskId: task.id })
    if (!answer.accepted) throw wrongState(task.id, 'cancelled', answer.reason)
    return c.json(shown(task.id))
  })

  app.post('/tasks/:task/retry', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    if (!isTerminal(task.status)) throw wrongState(task.id, 'retried', `it is ${task.status}`, `tdf wait ${task.id}`)
    if (!isDryRun(c)) await engine.start(task.id, task.attempt + 1, { resume: c.req.query('resume') === 'true' })
    return c.json(shown(task.id))
  })

  app.post('/tasks/:task/send', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const { text, close, deliveryId } = sendBody(await jsonBody(c))
    const { id: taskId } = task
    if (text !== '') await sendText(engine, task, { text, deliveryId })
    if (close) await engine.signal({ kind: 'close', taskId })
    return c.json(shown(taskId))
  })
  return app
}

/** Throws WRONG_STATE where nobody would read it, or it allows what was allowed before. */
async function sendText(
  engine: RunningEngine,
  task: ReadTask,
  { text, deliveryId }: { text: string; deliveryId: string },
): Promise<void> {
  const { id: taskId } = task
  const refused = refusedAllowance(engine, task, text)
  if (refused !== null) throw wrongState(taskId, 'given more', refused, RAISED_HINT)
  const answer = await engine.signal({ kind: 'followup', taskId, deliveryId, text })
  if (!answer.accepted) {
    throw wrongState(taskId, 'sent anything', answer.reason, `tdf continue ${taskId} "what to do next"`)
  }
}

/** A repeated idempotency key is answered with its task; a dry run, with what would be stored. */
async function submit(engine: RunningEngine, c: Context, shown: (id: string) => TaskJson): Promise<Response> {
  const { store, world } = engine
  const request = parseBody(submitRequest, await jsonBody(c))
  const idempotencyKey = c.req.header('idempotency-key') ?? null
  if (idempotencyKey?.trim() === '') throw new TdfError('BAD_REQUEST', 'the header idempotency-key must not be empty')
  const idempotencyHash = hashOf(request)
  const known = taskOfKey(store.sql, idempotencyKey, idempotencyHash)
  if (known !== undefined) return c.json(shown(known))
  assertRoom(engine)
  const id = freshTaskId(world.random)
  const spec = accept(engine, id, request)
  if (isDryRun(c)) {
    return c.json({ id: null, ...spec, placement: forecast(engine, spec), source: plannedSource(engine, spec.repo) })
  }
  const createdAt = world.clock.now()
  const stored = { id, spec: { ...spec, ...traceOf(c) }, idempotencyKey, idempotencyHash, createdAt }
  const submitted = await engine.submit(stored)
  return c.json(shown(submitted.id), submitted.id === id ? 201 : 200)
}

/** Of what is asked for, in a race or alone: the same key with another hash is another wish. */
export function hashOf(request: SubmitRequest, race?: RaceSpec): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...contentOf(request), ...(race ? { race } : {}) }))
    .digest('hex')
}

/**
 * What was asked for. How a repository travelled is no part of it: the same commit may come as another bundle; nor is by which
 * `tdf mcp` it came, which may have been started again. An option that is younger than 0.4.0 counts where it was given: a key
 * from before an update finds its task.
 */
function contentOf({
  after,
  from,
  if: condition,
  onFailed,
  atLimit,
  maySpawn,
  fallback,
  ...request
}: SubmitRequest): object {
  const { [SERVER_LABEL]: _server, ...labels } = request.labels
  const { sha256: _, bytes: __, ...bundled } = { sha256: null, bytes: null, ...request.repo }
  const repo = request.repo.kind === 'bundle' ? bundled : request.repo
  const given = Object.entries({ after, from, if: condition, onFailed, atLimit }).filter(
    ([, value]) => (value?.length ?? 0) > 0,
  )
  const behind = { ...(maySpawn ? { maySpawn } : {}), ...(fallback === null ? {} : { fallback }) }
  return { ...request, labels, repo, ...Object.fromEntries(given), ...behind }
}

/** W3C Trace Context; one of another form is ignored, as the standard asks. */
export function traceOf(c: Context): { traceparent?: string } {
  const traceparent = c.req.header('traceparent') ?? ''
  return /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent) ? { traceparent } : {}
}

function wrongState(id: string, what: string, why: string, hint = `tdf show ${id}`): TdfError {
  return new TdfError('WRONG_STATE', `task ${id} cannot be ${what}: ${why}`, { hint })
}

function sendBody(body: unknown): { text: string; close: boolean; deliveryId: string } {
  const { text = '', close = false, deliveryId } = Object(body) as Record<string, unknown>
  if (typeof text !== 'string' || typeof close !== 'boolean' || typeof deliveryId !== 'string') {
    throw new TdfError('BAD_REQUEST', 'body: text, close and deliveryId are wanted', { field: 'body' })
  }
  // It names a file on the node.
  if (!idPattern.test(deliveryId)) {
    throw new TdfError('BAD_REQUEST', 'deliveryId: must be letters, digits, ".", "_" or "-"', { field: 'deliveryId' })
  }
  if (text === '' && !close) throw new TdfError('EMPTY_PROMPT', 'there is nothing to send', { hint: 'tdf send --help' })
  return { text, close, deliveryId }
}

/** Tasks in one answer. What is left is read with the number in the header for the next page as `before`. */
const PAGE_MAX = 10_000

/** Undefined when nothing narrows the list down and not all are wanted. Throws USAGE. */
export function taskFilter(c: Context): TaskFilter | undefined {
  const statuses = (c.req.queries('status') ?? []).map(statusOf)
  const labels = (c.req.queries('label') ?? []).map(labelOf)
  const numbers = {
    ...numberOf(c, 'ended_before', 'endedBefore'),
    ...numberOf(c, 'created_after', 'createdAfter'),
    ...numberOf(c, 'before', 'before'),
    ...numberOf(c, 'limit', 'limit'),
  }
  const names = { group: c.req.query('group'), schedule: c.req.query('schedule') }
  const named = Object.values(names).filter(name => name !== undefined)
  const isNarrowed = [statuses, labels, named, Object.keys(numbers)].some(({ length }) => length > 0)
  if (!isNarrowed && c.req.query('all') !== 'true') return undefined
  return { statuses, labels, ...names, ...numbers, limit: Math.min(numbers.limit ?? PAGE_MAX, PAGE_MAX) }
}

/** Everything is checked as if it were meant, and nothing is changed. */
export const isDryRun = (c: Context) => c.req.query('dry_run') === 'true'

function statusOf(text: string): Status {
  const found = STATUSES.find(status => status === text)
  if (found) return found
  throw new TdfError('USAGE', `"${text}" is not a valid status; valid are: ${STATUSES.join(', ')}`, {
    hint: 'tdf ls --help',
  })
}

function labelOf(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)]
  throw new TdfError('BAD_REQUEST', `label: "${text}" does not look like key=value`, { field: 'label' })
}
