/** The model of a VM agent keeps what the real one promises. */
import { serve } from '@hono/node-server'
import { realWorld } from '../../src/platform/world.ts'
import { agentConformance } from '../conformance/agent.suite.ts'
import { sessionConformance } from '../conformance/session.suite.ts'
import { clientOf } from '../unit/src/agent/support/client.ts'
import { fakeAgent, type Script } from './agent.ts'

agentConformance('the model', startModel)
sessionConformance('the model', startModel)

async function startModel() {
  const { app } = fakeAgent({ clock: realWorld().clock, name: 'model', token: 'token', buildMs: 50 })
  const port = await new Promise<number>(resolve => {
    serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port))
  })
  return {
    ...clientOf({ url: `http://127.0.0.1:${port}`, token: 'token' }),
    name: 'model',
    repositoryUrl: 'https://example.org/repo.git',
    command: (script: Script) => ['fake', JSON.stringify(script)],
    talking: (script: Script) => ({ type: 'acp', command: ['fake', JSON.stringify(script)] }),
  }
}
