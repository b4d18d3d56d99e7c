/** The daemon itself: is it well, what does it hold, and its orderly end. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { secretNames } from '../../../src/core/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { PolicyJson, SecretJson } from '../../../src/protocol/upkeep.ts'
import type { RunningEngine } from '../../build.ts'
import { setDraining } from '../../placement/drain.ts'
import { unpricedIn } from '../../reporting/budgets.ts'
import { examine } from '../../reporting/doctor.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { checkSources } from '../issues/show.ts'
import { iso } from '../tasks/json.ts'

export function daemonRoutes(engine: RunningEngine, parts: Control): Hono {
  const app = new Hono()
  app.get('/health/live', c => c.text('ok'))
  app.get('/health/ready', async c => {
    const checks = await parts.health.look()
    return c.json({ ok: checks.every(({ ok }) => ok), checks }, checks.every(({ ok }) => ok) ? 200 : 503)
  })
  app.get('/metrics', c => c.text(engine.metrics.registry.text()))
  app.get('/status', c => c.json(parts.status()))
  app.get('/policy', c => {
    const { runner, repositories } = engine.config
    const { repositorySetup } = runner
    const { submodules } = repositories
    return c.json({ repositorySetup, submodules, unpriced: unpricedIn(engine.config) } satisfies PolicyJson)
  })
  app.get('/doctor', async c => {
    const own = await examine(engine, parts.health, parts.stateDir)
    const trackers = await checkSources(engine, parts.issues)
    return c.json([...own, ...trackers, ...((await parts.cluster?.examine()) ?? [])])
  })
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

/** Backups of the database: make one, list them, download one. */
export function backupRoutes({ backups }: Pick<Control, 'backups'>): Hono {
  const app = new Hono()
  app.get('/backups', async c => c.json(await backups.list()))
  app.post('/backups', async c => c.json(await backups.make(), 201))
  app.get('/backups/:name', async c => {
    const name = c.req.param('name')
    const file = await backups.file(name)
    if (file === undefined) throw new TdfError('NOT_FOUND', `there is no backup ${name}`, { hint: 'tdf db backup' })
    // The two declarations of a web stream differ in what this never touches.
    return c.body(Readable.toWeb(createReadStream(file)) as ReadableStream)
  })
  return app
}

/** Secrets by name. A value is stored and never returned. */
export function secretRoutes(
  { config }: Pick<RunningEngine, 'config'>,
  { secrets, saveFiles }: Pick<Control, 'secrets' | 'saveFiles'>,
): Hono {
  const app = new Hono()
  const listed = (): SecretJson[] =>
    secrets.list().map(({ name, at }) => ({ name, setAt: iso(Math.round(at)), usedBy: usersOf(name) }))

  /** The agents whose tables name it, the hosts and sources whose token it is, the provider, and the topic of answers. */
  function usersOf(name: string): string[] {
    const agents = Object.entries(config.agents).filter(([, { env }]) => secretNames(env).includes(name))
    const tokens = [...Object.entries(config.push.tokens), ...Object.entries(config.repositories.tokens)]
    const hosts = new Set(tokens.flatMap(([host, token]) => (token === name ? [host] : [])))
    const sources = config.sources.flatMap(source => (source.token === name ? [source.name] : []))
    const provider = name === 'HCLOUD_TOKEN' && config.providers.hetzner.enabled ? ['hetzner'] : []
    const topic = name === config.notify.ntfyReplies ? ['notices'] : []
    return [...agents.map(([user]) => user), ...hosts, ...sources, ...provider, ...topic]
  }

  app.get('/secrets', c => c.json(listed()))
  app.put('/secrets/:name', async c => {
    const { value } = Object(await jsonBody(c)) as Record<string, unknown>
    if (typeof value !== 'string') throw new TdfError('BAD_REQUEST', 'value: must be a string', { field: 'value' })
    const name = c.req.param('name')
    secrets.set(name, value)
    await saveFiles()
    return c.json(listed().find(secret => secret.name === name))
  })
  app.delete('/secrets/:name', async c => {
    const name = c.req.param('name')
    const before = listed().find(secret => secret.name === name)
    secrets.remove(name)
    await saveFiles()
    return c.json(before)
  })
  return app
}
