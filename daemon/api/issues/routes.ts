/** `tdf source`: the trackers whose issues become tasks. */
import { Hono } from 'hono'
import { z } from 'zod'
import type { SourceConfig } from '../../../src/config/schema/config.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { parseBody } from '../../../src/protocol/shapes.ts'
import { writeSource } from '../../../src/store/intake/issues.ts'
import type { RunningEngine } from '../../build.ts'
import { jsonBody } from '../guard.ts'
import type { Poller } from './poller.ts'
import { stateOf } from './scene.ts'
import { checkSource, sourceDetails, sourceJson } from './show.ts'

/** Less than `tdf source check` waits: a tracker that is slow is no daemon that is away. */
const CHECK_MS = 90_000

const body = z.object({ verb: z.enum(['run', 'pause', 'resume']) })

export function sourceRoutes(engine: RunningEngine, { issues }: { issues: Poller }): Hono {
  const { store, world, config } = engine
  const app = new Hono()
  app.get('/sources', c => c.json(config.sources.map(source => sourceJson(engine, source))))
  app.get('/sources/:name', c => c.json(sourceDetails(engine, sourceNamed(engine, c.req.param('name')))))
  app.post('/sources/:name', async c => {
    const source = sourceNamed(engine, c.req.param('name'))
    const { verb } = parseBody(body, await jsonBody(c))
    if (verb === 'run') await issues.run(source)
    else {
      await store.answered(() => {
        const now = world.clock.now()
        const dueAt = verb === 'resume' ? { dueAt: now } : {}
        writeSource(store.sql, { ...stateOf(engine, source), ...dueAt, paused: verb === 'pause', updatedAt: now })
      })
    }
    return c.json(sourceDetails(engine, source))
  })
  app.get('/sources/:name/check', async c => {
    const source = sourceNamed(engine, c.req.param('name'))
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(CHECK_MS)])
    return c.json(await checkSource(engine, source, issues, signal))
  })
  return app
}

/** Throws NOT_FOUND. */
function sourceNamed({ config }: Pick<RunningEngine, 'config'>, name: string): SourceConfig {
  const found = config.sources.find(source => source.name === name)
  if (found) return found
  const known = config.sources.map(source => source.name).join(', ')
  const message = `there is no source "${name}"; ${known === '' ? 'the configuration has none' : `known are: ${known}`}`
  throw new TdfError('NOT_FOUND', message, { hint: 'tdf source ls' })
}
