/** Submit, look, and change tasks. */
import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import { idPattern, parseBody } from '../../src/protocol/shapes.ts'
import { type SubmitRequest, submitRequest } from '../../src/protocol/submit.ts'
import { readEvents } from '../../src/store/journal.ts'
import { findByIdempotencyKey, listTasks } from '../../src/store/tasks.ts'
import { isTerminal } from '../../src/task.ts'
import { accept } from '../accept.ts'
import type { RunningEngine } from '../build-engine.ts'
import { findTask } from '../find-task.ts'
import { forecast } from '../forecast.ts'
import { recentTasks } from '../recent-tasks.ts'
import { freshTaskId } from '../task-id.ts'
import { eventJson } from '../view/event-json.ts'
import { taskJson } from '../view/task-json.ts'
import { why } from '../why.ts'
import { assertRoom, jsonBody } from './guard.ts'
import { isDryRun, taskFilter } from './task-filter.ts'

const EVENTS_MAX = 10_000

export function taskRoutes(engine: RunningEngine): Hono {
  const { store, world } = engine
  const app = new Hono()
  const shown = (id: string) => taskJson(store.sql, findTask(store.sql, id))

  app.post('/tasks', async c => {
    const request = parseBody(submitRequest, await jsonBody(c))
    const key = c.req.header('idempotency-key') ?? null
    const hash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const known = key === null ? undefined : findByIdempotencyKey(store.sql, key)
    if (known) return c.json(shown(sameRequest(known, hash, key ?? '')))
    assertRoom(engine)
    const id = freshTaskId(world.random)
    const spec = accept({ ...engine, searchPath: process.env.PATH ?? '' }, id, request)
    if (isDryRun(c)) return c.json({ id: null, ...spec, placement: forecast(engine, spec) })
    const stored = {
      id,
      spec: { ...spec, ...traceOf(c) },
      idempotencyKey: key,
      idempotencyHash: hash,
      createdAt: world.clock.now(),
    }
    await engine.submit(stored)
    return c.json(shown(id), 201)
  })

  app.get('/tasks', c => {
    const filter = taskFilter(c)
    const tasks = filter ? listTasks(store.sql, filter) : recentTasks(engine)
    return c.json(tasks.map(task => taskJson(store.sql, task)))
  })

  app.get('/tasks/:task', c => c.json(shown(c.req.param('task'))))
  app.get('/tasks/:task/why', c => c.json(why(engine, findTask(store.sql, c.req.param('task')))))
  app.get('/tasks/:task/events', c => {
    const { id } = findTask(store.sql, c.req.param('task'))
    return c.json(readEvents(store.sql, { after: 0, limit: EVENTS_MAX, taskId: id }).map(eventJson))
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
    if (!isDryRun(c)) {
      await engine.start(task.id, task.attempt + 1, { resume: c.req.query('resume') === 'true' })
    }
    return c.json(shown(task.id))
  })

  app.post('/tasks/:task/send', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const { text, close, deliveryId } = sendBody(await jsonBody(c))
    const { id: taskId } = task
    if (text !== '') {
      const answer = await engine.signal({ kind: 'followup', taskId, deliveryId, text })
      if (!answer.accepted) throw wrongState(taskId, 'sent anything', answer.reason)
    }
    if (close) await engine.signal({ kind: 'close', taskId })
    return c.json(shown(taskId))
  })
  return app
}

/** W3C Trace Context; one of another form is not taken up, as it says. */
function traceOf(c: Context): { traceparent?: string } {
  const traceparent = c.req.header('traceparent') ?? ''
  return /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent) ? { traceparent } : {}
}

function sameRequest(known: { id: string; hash: string }, hash: string, key: string): string {
  if (known.hash === hash) return known.id
  throw new TdfError(
    'IDEMPOTENCY_CONFLICT',
    `the key "${key}" belongs to task ${known.id}, which asks for something else`,
    {
      hint: `tdf show ${known.id}`,
    },
  )
}

function wrongState(id: string, what: string, why: string, hint = `tdf show ${id}`): TdfError {
  return new TdfError('WRONG_STATE', `task ${id} cannot be ${what}: ${why}`, { hint })
}

function sendBody(body: unknown): Pick<SubmitRequest, never> & { text: string; close: boolean; deliveryId: string } {
  const { text = '', close = false, deliveryId } = Object(body) as Record<string, unknown>
  if (typeof text !== 'string' || typeof close !== 'boolean' || typeof deliveryId !== 'string') {
    throw new TdfError('BAD_REQUEST', 'body: text, close and deliveryId are wanted', { field: 'body' })
  }
  // It names a file on the node.
  if (!idPattern.test(deliveryId)) {
    throw new TdfError('BAD_REQUEST', 'deliveryId: must be letters, digits, ".", "_" or "-"', { field: 'deliveryId' })
  }
  if (text === '' && !close) throw new TdfError('EMPTY_PROMPT', 'there is nothing to send')
  return { text, close, deliveryId }
}
