/** The control API: for the CLI and the dashboard, on a unix socket that only their user can open. */
import { Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import { API_LEVEL, VERSION } from '../../src/version.ts'
import type { RunningEngine } from '../build-engine.ts'
import { backupRoutes } from './backup-routes.ts'
import { bundleRoutes } from './bundle-routes.ts'
import type { Control } from './control-parts.ts'
import { daemonRoutes } from './daemon-routes.ts'
import { answerError } from './errors.ts'
import { eventRoutes } from './event-routes.ts'
import { guard } from './guard.ts'
import { logRoutes } from './log-routes.ts'
import { nodeRoutes } from './node-routes.ts'
import { pushRoutes } from './push-routes.ts'
import { resultRoutes } from './result-routes.ts'
import { screenRoutes } from './screen-routes.ts'
import { secretRoutes } from './secret-routes.ts'
import { shellRoutes } from './shell-routes.ts'
import { taskRoutes } from './task-routes.ts'

export function controlApp(engine: RunningEngine, parts: Control): Hono {
  const app = new Hono()
  app.use(async (c, next) => {
    await next()
    c.header('x-tdf-api', API_LEVEL)
    c.header('x-tdf-version', VERSION)
  })
  app.use(guard(() => ['tdf']))
  app.onError((error, c) => answerError(engine.log, error, c))
  app.notFound(c => answerError(engine.log, new TdfError('NOT_FOUND', `there is nothing at ${c.req.path}`), c))
  app.get('/metrics', c => c.text(engine.metrics.registry.text()))
  app.route('/v1', taskRoutes(engine))
  app.route('/v1', resultRoutes(engine, parts))
  app.route('/v1', pushRoutes(engine, parts))
  app.route('/v1', logRoutes(engine))
  app.route('/v1', shellRoutes(engine))
  app.route('/v1', bundleRoutes(engine, parts))
  app.route('/v1', eventRoutes(engine, parts))
  app.route('/v1', screenRoutes(engine))
  app.route('/v1', nodeRoutes(engine, parts))
  app.route('/v1', daemonRoutes(engine, parts))
  app.route('/v1', backupRoutes(parts))
  app.route('/v1', secretRoutes(engine, parts))
  return app
}
