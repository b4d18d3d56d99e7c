/** Pull requests that are watched: `tdf pr`. */
import { Hono } from 'hono'
import { z } from 'zod'
import { nullable, parseBody, text } from '../../../src/protocol/shapes.ts'
import { submitRequest, watchWish } from '../../../src/protocol/submit.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { listWatches } from '../../../src/store/tables/pushes.ts'
import type { AdoptWish } from '../../results/push/watch/adopt.ts'
import { changeNow, watchNow } from '../../results/push/watch/request.ts'
import type { Engine } from '../../services.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { accept } from '../tasks/accept.ts'
import { findTask } from '../tasks/find.ts'
import { taskJson } from '../tasks/json.ts'

const LISTED_MAX = 1_000

const body = z.object({ verb: z.enum(['watch', 'pause', 'resume', 'stop']), ...watchWish })

const adoptBody = z.object({
  url: text(2_000).min(1),
  remote: nullable(text(4096).min(1)),
  agent: nullable(text(128).min(1)),
  check: nullable(text(64 * 1024).min(1)),
  ...watchWish,
})

export function pullRequestRoutes(engine: Engine, { watcher, results }: Pick<Control, 'watcher' | 'results'>): Hono {
  const { store, world } = engine
  const app = new Hono()
  app.get('/pulls', c => {
    const tasks = listWatches(store.sql, LISTED_MAX).flatMap(({ taskId }) => readNewestAttempt(store.sql, taskId) ?? [])
    return c.json(tasks.map(task => taskJson(store.sql, task)))
  })
  app.post('/pulls', async c => {
    const { agent, check, ...wish } = parseBody(adoptBody, await jsonBody(c))
    const { url, until, rounds } = wish
    const specOf: AdoptWish['specOf'] = (id, { title, remote }) => {
      const repo = { kind: 'git', url: remote, ref: null }
      const asked = { title, agent, check, repo, remote, rounds, push: 'pr', until: until ?? 'green' }
      const request = submitRequest.parse({ ...asked, prompt: `Go on with the pull request ${url}.` })
      return accept(engine, id, request)
    }
    const id = await watcher.adopt(results, { ...wish, specOf }, c.req.raw.signal)
    return c.json(taskJson(store.sql, findTask(store.sql, id)))
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
