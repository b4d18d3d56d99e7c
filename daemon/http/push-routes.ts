/** Pushing a result because somebody says so, in one try: the answer is how it went. */
import { Hono } from 'hono'
import { z } from 'zod'
import { nullable, parseBody, text } from '../../src/protocol/shapes.ts'
import type { RunningEngine } from '../build-engine.ts'
import { findTask } from '../find-task.ts'
import { pushNow } from '../push/ask.ts'
import { taskJson } from '../view/task-json.ts'
import type { Control } from './control-parts.ts'
import { jsonBody } from './guard.ts'

const pushBody = z.object({
  remote: nullable(text(4096).min(1)),
  /** Where to when neither the request nor the task knows. */
  fallback: nullable(text(4096).min(1)),
  branch: nullable(text(255).min(1)),
  pr: z.boolean().default(false),
})

export function pushRoutes(engine: RunningEngine, { pusher }: Pick<Control, 'pusher'>): Hono {
  const { store, world } = engine
  const app = new Hono()
  app.post('/tasks/:task/push', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const wish = parseBody(pushBody, await jsonBody(c))
    await store.commit(() => pushNow(engine, task, wish, world.clock.now()))
    await pusher.now(task.id)
    return c.json(taskJson(store.sql, findTask(store.sql, task.id)))
  })
  return app
}
