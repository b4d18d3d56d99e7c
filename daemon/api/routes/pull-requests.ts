/** Pull requests that are watched: `tdf pr`. */
import { Hono } from 'hono'
import { z } from 'zod'
import { parseBody } from '../../../src/protocol/shapes.ts'
import { watchWish } from '../../../src/protocol/submit.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { listWatches } from '../../../src/store/tables/pushes.ts'
import { changeNow, watchNow } from '../../results/push/watch/request.ts'
import type { Engine } from '../../services.ts'
import { jsonBody } from '../guard.ts'
import { findTask } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'

const LISTED_MAX = 1_000

const body = z.object({ verb: z.enum(['watch', 'pause', 'resume', 'stop']), ...watchWish })

export function pullRequestRoutes(engine: Pick<Engine, 'store' | 'config' | 'world'>): Hono {
  const { store, world } = engine
  const app = new Hono()
  app.get('/pulls', c => {
    const tasks = listWatches(store.sql, LISTED_MAX).flatMap(({ taskId }) => readNewestAttempt(store.sql, taskId) ?? [])
    return c.json(tasks.map(task => taskJson(store.sql, task)))
  })
  app.post('/tasks/:task/pr', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const { verb, ...wish } = parseBody(body, await jsonBody(c))
    await store.answered(() => {
      const now = world.clock.now()
      if (verb === 'watch') watchNow(engine, task, wish, now)
      else changeNow(engine, task, verb, wish, now)
    })
    return c.json(taskJson(store.sql, findTask(store.sql, task.id)))
  })
  return app
}
