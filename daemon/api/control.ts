/** The control API: for the CLI and the dashboard, on a unix socket that only their user can open. */
import type { Hono } from 'hono'
import type { RunningEngine } from '../build.ts'
import { clusterRoutes } from './cluster.ts'
import type { Control } from './control-parts.ts'
import { costRoutes } from './costs.ts'
import { controlSocketApp, durableAnswers } from './guard.ts'
import { sourceRoutes } from './issues/routes.ts'
import { agentRoutes } from './routes/agents.ts'
import { bundleRoutes } from './routes/bundles.ts'
import { continueRoutes } from './routes/continue.ts'
import { backupRoutes, daemonRoutes, secretRoutes } from './routes/daemon.ts'
import { eventRoutes, screenRoutes } from './routes/events.ts'
import { fitRoutes, landingRoutes } from './routes/landing.ts'
import { logRoutes } from './routes/logs.ts'
import { batchRoutes } from './routes/many/batch.ts'
import { scheduleRoutes } from './routes/many/schedules.ts'
import { nodeRoutes, shellRoutes } from './routes/nodes.ts'
import { pullRequestRoutes } from './routes/pull-requests.ts'
import { pushRoutes, resultRoutes } from './routes/results.ts'
import { taskRoutes } from './routes/tasks.ts'

export function controlApp(engine: RunningEngine, parts: Control): Hono {
  const app = controlSocketApp(engine.log)
  app.use(durableAnswers(engine))
  app.get('/metrics', c => c.text(engine.metrics.registry.text()))
  app.route('/v1', batchRoutes(engine))
  app.route('/v1', taskRoutes(engine))
  app.route('/v1', continueRoutes(engine))
  app.route('/v1', resultRoutes(engine, parts))
  app.route('/v1', pushRoutes(engine, parts))
  app.route('/v1', fitRoutes(engine, parts))
  app.route('/v1', landingRoutes(engine, parts))
  app.route('/v1', pullRequestRoutes(engine, parts))
  app.route('/v1', scheduleRoutes(engine))
  app.route('/v1', sourceRoutes(engine, parts))
  app.route('/v1', logRoutes(engine))
  app.route('/v1', shellRoutes(engine))
  app.route('/v1', bundleRoutes(engine, parts))
  app.route('/v1', eventRoutes(engine, parts))
  app.route('/v1', screenRoutes(engine))
  app.route('/v1', costRoutes(engine))
  app.route('/v1', nodeRoutes(engine, parts))
  app.route('/v1', agentRoutes(engine))
  app.route('/v1', daemonRoutes(engine, parts))
  app.route('/v1', backupRoutes(parts))
  app.route('/v1', clusterRoutes(parts.cluster))
  app.route('/v1', secretRoutes(engine, parts))
  return app
}
