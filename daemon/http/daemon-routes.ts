/** The daemon itself: is it well, what does it hold, and its orderly end. */
import { Hono } from 'hono'
import type { RunningEngine } from '../build-engine.ts'
import { examine } from '../doctor/examine.ts'
import { setDraining } from '../drain.ts'
import type { Control } from './control-parts.ts'

export function daemonRoutes(engine: RunningEngine, parts: Control): Hono {
  const app = new Hono()
  app.get('/health/live', c => c.text('ok'))
  app.get('/health/ready', async c => {
    const checks = await parts.health.look()
    return c.json({ ok: checks.every(({ ok }) => ok), checks }, checks.every(({ ok }) => ok) ? 200 : 503)
  })
  app.get('/metrics', c => c.text(engine.metrics.registry.text()))
  app.get('/status', c => c.json(parts.status()))
  app.get('/doctor', async c => c.json(await examine(engine, parts.health, parts.stateDir)))
  app.post('/reload', c => c.json(parts.reload()))
  app.post('/drain', async c => {
    await setDraining(engine, c.req.query('undo') !== 'true')
    return c.json(parts.status())
  })
  app.post('/stop', c => {
    engine.world.clock.timer(50, parts.stop)
    return c.json(parts.status())
  })
  return app
}
