/** What sessions print: from the node while the workspace stands, from our own copy afterwards. */
import { Hono } from 'hono'
import { TdfError } from '../../../src/core/errors.ts'
import { SETUP_SESSION, sessionsOf, type Task } from '../../../src/core/task.ts'
import type { RunningEngine } from '../../build.ts'
import { failureJson, outputOf, sessionNamed, timesOfOutput } from '../../results/output.ts'
import { findAttempt } from '../tasks/find.ts'
import { pushOf } from '../tasks/json.ts'

export function logRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()

  /** When which byte of it was written, as lines `MS OFFSET`; empty where it was not noted. */
  app.get('/tasks/:task/log-times', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const bytes = await timesOfOutput(engine, task, sessionOf(task, c.req.query('session')), c.req.raw.signal)
    c.header('content-type', 'application/octet-stream')
    return c.body(bytes as Uint8Array<ArrayBuffer>)
  })

  /** Answers at most a chunk, and in `x-next-offset` where to go on. Empty when there is no more now. */
  app.get('/tasks/:task/logs', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const after = Number(c.req.query('after') ?? 0)
    if (!Number.isSafeInteger(after) || after < 0) {
      throw new TdfError('BAD_REQUEST', 'after: it must be a number of bytes', { field: 'after' })
    }
    const bytes = await outputOf(engine, task, sessionOf(task, c.req.query('session')), after, c.req.raw.signal)
    c.header('x-next-offset', String(after + bytes.length))
    c.header('content-type', 'application/octet-stream')
    // Plain memory, as every buffer that is read into; a copy of it would only be more to collect.
    return c.body(bytes as Uint8Array<ArrayBuffer>)
  })

  /** What failed and the last lines that it printed; `null` for a task that did not fail. */
  app.get('/tasks/:task/failure', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    return c.json(await failureJson(engine, task, { push: pushOf(store.sql, task), signal: c.req.raw.signal }))
  })
  return app
}

/** Throws NOT_FOUND for a session that never was. */
function sessionOf(task: Task, wanted: string | undefined): string {
  const named = sessionNamed(task, wanted)
  const known = [SETUP_SESSION, ...sessionsOf(task)]
  if (known.includes(named)) return named
  throw new TdfError('NOT_FOUND', `task ${task.id} has no session "${wanted}"; it has ${known.join(', ')}`, {
    hint: `tdf logs ${task.id}`,
  })
}
