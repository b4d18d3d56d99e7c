/** The metrics and the health of the daemon on a loopback port, for a collector that cannot open a unix socket. */
import type { Hono } from 'hono'
import type { Log } from '../../src/platform/log.ts'
import type { Health } from '../reporting/health.ts'
import type { Metrics } from '../reporting/metric-registry.ts'
import { guardedApp } from './guard.ts'

interface MetricsParts {
  log: Log
  registry: Pick<Metrics, 'text'>
  health: Pick<Health, 'look'>
}

export function metricsApp({ log, registry, health }: MetricsParts): Hono {
  const app = guardedApp(log, () => [])
  app.get('/metrics', c => c.text(registry.text()))
  app.get('/health/live', c => c.text('ok'))
  app.get('/health/ready', async c => {
    const isReady = (await health.look()).every(({ ok }) => ok)
    return c.text(isReady ? 'ok' : 'not ready', isReady ? 200 : 503)
  })
  return app
}
