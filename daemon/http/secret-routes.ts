/** Secrets by name. A value comes in and is never given back. */
import { Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import type { SecretJson } from '../../src/protocol/control.ts'
import type { RunningEngine } from '../build-engine.ts'
import { iso } from '../view/task-json.ts'
import type { Control } from './control-parts.ts'
import { jsonBody } from './guard.ts'

export function secretRoutes({ config }: RunningEngine, { secrets }: Pick<Control, 'secrets'>): Hono {
  const app = new Hono()
  const listed = (): SecretJson[] =>
    secrets.list().map(({ name, at }) => ({ name, setAt: iso(Math.round(at)), usedBy: usersOf(name) }))

  /** The agents whose tables name it, the hosts whose token it is, and the provider. */
  function usersOf(name: string): string[] {
    const agents = Object.entries(config.agents).filter(([, { env }]) => env.includes(name))
    const hosts = Object.entries(config.push.tokens).filter(([, token]) => token === name)
    const provider = name === 'HCLOUD_TOKEN' && config.providers.hetzner.enabled ? ['hetzner'] : []
    return [...agents.map(([user]) => user), ...hosts.map(([user]) => user), ...provider]
  }

  app.get('/secrets', c => c.json(listed()))
  app.put('/secrets/:name', async c => {
    const { value } = Object(await jsonBody(c)) as Record<string, unknown>
    if (typeof value !== 'string') throw new TdfError('BAD_REQUEST', 'value: must be a string', { field: 'value' })
    const name = c.req.param('name')
    secrets.set(name, value)
    return c.json(listed().find(secret => secret.name === name))
  })
  app.delete('/secrets/:name', c => {
    const name = c.req.param('name')
    const before = listed().find(secret => secret.name === name)
    secrets.remove(name)
    return c.json(before)
  })
  return app
}
