/** A real daemon whose only node is the model of an agent that pushes nothing: the test does the calling. */
import { serve } from '@hono/node-server'
import { realWorld } from '../../../src/platform/world.ts'
import { registration } from '../../../src/protocol/agent-api.ts'
import { type FakeAgent, fakeAgent, type Script } from '../../fakes/agent.ts'
import { type Client, clientOf } from '../../unit/src/agent/support/client.ts'
import { type Home, makeHome, makeRepository, tdf, until } from './home.ts'

export interface CallbackRig {
  home: Home
  agent: FakeAgent
  /** Calls the daemon as the agent would, with any token. */
  as(token: string): Client
  /** Where the daemon listens for callbacks now. */
  url(): string
  nodeToken(): string
  submit(script: Script, ...options: string[]): Promise<Submitted>
  restart(): Promise<void>
  end(): Promise<void>
}

export interface Submitted {
  id: string
  workspaceId: string
  sessionId: string
  token: string
}

const AGENT_TOKEN = 'the-token-of-the-agent'

export async function callbackRig(more = ''): Promise<CallbackRig> {
  const agent = fakeAgent({ clock: realWorld().clock, name: 'box1', token: AGENT_TOKEN, buildMs: 150 })
  const registrations: string[] = []
  let server: ReturnType<typeof serve> | undefined
  const port = await new Promise<number>(resolve => {
    const fetch = async (request: Request) => {
      if (request.url.endsWith('/registration')) {
        const body = registration.parse(await request.clone().json())
        registrations.push(body.callback.token)
      }
      return agent.app.fetch(request)
    }
    server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, info => resolve(info.port))
  })
  const home = makeHome(`
[providers.local]
enabled = false
[[providers.static.nodes]]
name = "box1"
url = "http://127.0.0.1:${port}"
token = "${AGENT_TOKEN}"
max_workspaces = 20
${more}
`)
  const repository = makeRepository()
  let daemon = await home.start()
  const status = () => home.client.call<{ callbacksUrl: string }>({ path: '/status' })
  let url = (await status()).callbacksUrl
  await until('the node is registered', () => registrations.length > 0)

  return {
    home,
    agent,
    as: token => clientOf({ url, token }),
    url: () => url,
    nodeToken: () => registrations.at(-1) ?? '',
    async submit(script, ...options) {
      const args = ['submit', '--repo', repository.dir, '-q', ...options, '--', 'fake', JSON.stringify(script)]
      const { out, err } = await tdf(home, ...args)
      const id = out.trim()
      if (id === '') throw new Error(err)
      const workspaceId = `${id}-1-1`
      await until('its workspace was asked for', () => agent.workspaces.has(workspaceId))
      const token = agent.workspaces.get(workspaceId)?.body.callback.token ?? ''
      return { id, workspaceId, sessionId: `${workspaceId}-s1`, token }
    },
    async restart() {
      await home.kill(daemon)
      daemon = await home.start()
      url = (await status()).callbacksUrl
    },
    async end() {
      await home.remove()
      repository.remove()
      server?.close()
    },
  }
}
