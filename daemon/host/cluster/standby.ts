/** What a daemon that stands by answers itself: how it is, and its own end. Everything else goes to the one that serves. */
import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Log } from '../../../src/platform/log.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { DaemonStatusJson } from '../../../src/protocol/control.ts'
import type { ReloadJson } from '../../../src/protocol/upkeep.ts'
import { type Cluster, clusterRoutes } from '../../api/cluster.ts'
import { controlSocketApp } from '../../api/guard.ts'
import { metricsApp } from '../../api/metrics.ts'
import { registerRole } from '../../reporting/gauges.ts'
import type { Check } from '../../reporting/health.ts'
import { createMetrics } from '../../reporting/metric-registry.ts'

export interface StandbyParts {
  log: Log
  cluster: Cluster
  checks(): Check[]
  status(): DaemonStatusJson
  reload(): ReloadJson
  /** Begins an orderly end, after the answer. */
  stop(): void
}

const OWN = [
  /^GET \/v1\/(status|cluster|metrics)$/,
  /^GET \/v1\/health\//,
  /^GET \/metrics$/,
  /^POST \/v1\/(stop|reload)$/,
]

/** For the control socket: `onward` answers what is not about this very daemon. */
export function standbyListener(parts: StandbyParts, onward: RequestListener): RequestListener {
  const own = getRequestListener(standbyApp(parts).fetch)
  return (request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '')
    const isOwn = OWN.some(pattern => pattern.test(`${request.method} ${path}`))
    return isOwn ? own(request, response) : onward(request, response)
  }
}

function standbyApp(parts: StandbyParts): Hono {
  const { log, cluster, checks, status, reload, stop } = parts
  const metrics = standbyMetrics(cluster)
  const app = controlSocketApp(log)
  app.get('/metrics', c => c.text(metrics.text()))
  app.get('/v1/metrics', c => c.text(metrics.text()))
  app.get('/v1/health/live', c => c.text('ok'))
  app.get('/v1/health/ready', c => {
    const looked = checks()
    return c.json({ ok: isReady(looked), checks: looked }, isReady(looked) ? 200 : 503)
  })
  app.get('/v1/status', c => c.json(status()))
  app.post('/v1/reload', c => c.json(reload()))
  app.post('/v1/stop', c => {
    const now = status()
    stop()
    return c.json(now)
  })
  app.route('/v1', clusterRoutes(cluster))
  return app
}

/** For the port of the metrics, which any process of this machine may ask: numbers, and no orders. */
export function standbyMetricsApp({ log, cluster, checks }: StandbyParts): Hono {
  return metricsApp({ log, registry: standbyMetrics(cluster), health: { look: async () => checks() } })
}

const isReady = (checks: readonly Check[]) => checks.every(({ ok }) => ok)

function standbyMetrics(cluster: Cluster) {
  const registry = createMetrics()
  registerRole(registry, 'standby', cluster)
  registry.gauge('tdf_build_info', 'Always 1; the version is in its label.', () => [[{ version: VERSION }, 1]])
  return registry
}
