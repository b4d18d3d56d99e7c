/** Results, from the daemon's own copy: the difference, a bundle to fetch, a push; and forgetting them. */
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { z } from 'zod'
import { nullable, parseBody, text } from '../../../src/protocol/shapes.ts'
import type { RunningEngine } from '../../build.ts'
import { refuseUnfinished, removeTask } from '../../engine/effects/remove.ts'
import { bundleLarge, bundleResult, writeDiff } from '../../results/bundles.ts'
import { pushNow } from '../../results/push/request.ts'
import { writeArtifact } from '../../results/receive/artifacts.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { findAttempt, findTask } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'
import { isDryRun } from './tasks.ts'

export function resultRoutes(engine: RunningEngine, parts: Control): Hono {
  const { store, world } = engine
  const { results } = parts
  const app = new Hono()
  const scratch = () => path.join(parts.stateDir, 'downloads', `send-${world.random.bytes(8).toString('hex')}`)

  app.get('/tasks/:task/diff', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const file = scratch()
    await writeDiff(await results.of(task), task, c.req.query('stat') === 'true', file)
    return sendFile(file, 'text/plain; charset=utf-8')
  })

  app.get('/tasks/:task/bundle', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const file = scratch()
    const have = (c.req.queries('have') ?? []).filter(oid => /^[0-9a-f]{40,64}$/.test(oid))
    const wanted = c.req.queries('ref') ?? []
    const isNew = await bundleResult(await results.of(task), task, { have, wanted }, file)
    return isNew ? sendFile(file, 'application/octet-stream') : c.body(null, 204)
  })

  app.get('/tasks/:task/artifact', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const file = scratch()
    await writeArtifact(await results.of(task), task, c.req.query('path') ?? '', file)
    return sendFile(file, 'application/octet-stream')
  })

  app.get('/tasks/:task/large', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const file = scratch()
    const isThere = await bundleLarge(await results.of(task), task, file)
    return isThere ? sendFile(file, 'application/octet-stream') : c.body(null, 204)
  })

  app.post('/tasks/:task/taken', async c => {
    const { id: taskId, attempt } = findAttempt(store.sql, c.req.param('task'))
    const data = parseBody(takenBody, await jsonBody(c))
    await store.answered(() => store.append({ type: 'task.taken', taskId, attempt, data }, world.clock.now()))
    return c.body(null, 204)
  })

  app.delete('/tasks/:task', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    if (isDryRun(c)) refuseUnfinished(store.sql, task)
    else await removeTask(engine, task, await results.of(task), c.req.raw.signal)
    return c.json(taskJson(store.sql, task))
  })
  return app
}

/** Streams a file and removes it afterwards, however the stream ends. */
function sendFile(file: string, type: string): Response {
  const source = createReadStream(file)
  source.on('close', () => void rm(file, { force: true }))
  return new Response(Readable.toWeb(source) as ReadableStream, { headers: { 'content-type': type } })
}

/** What the command line did with a result: from then on it is not the daemon's copy alone. */
const takenBody = z.object({ how: z.enum(['pulled', 'applied']) })

const pushBody = z.object({
  remote: nullable(text(4096).min(1)),
  /** Where to when neither the request nor the task knows. */
  fallback: nullable(text(4096).min(1)),
  branch: nullable(text(255).min(1)),
  pr: z.boolean().default(false),
})

/** Pushes a result on request, in one try: the answer is how it went. */
export function pushRoutes(engine: RunningEngine, { pusher }: Pick<Control, 'pusher'>): Hono {
  const { store, world } = engine
  const app = new Hono()
  app.post('/tasks/:task/push', async c => {
    const task = findAttempt(store.sql, c.req.param('task'))
    const request = parseBody(pushBody, await jsonBody(c))
    await store.answered(() => pushNow(engine, task, request, world.clock.now()))
    await pusher.now(task.id)
    return c.json(taskJson(store.sql, findAttempt(store.sql, `${task.id}@${task.attempt}`)))
  })
  return app
}
