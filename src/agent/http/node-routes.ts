/** The node as a whole: health, registration, the outbox. */
import type { Hono } from 'hono'
import { VERSION } from '../../platform/version.ts'
import {
  AGENT_PROTOCOL,
  type AgentEvent,
  type AgentEvents,
  type Health,
  registration,
  type SandboxState,
} from '../../protocol/agent-api.ts'
import { EVENTS_PAGE_BYTES_MAX, EVENTS_PAGE_MAX, EVENTS_WAIT_S_MAX } from '../../protocol/shapes.ts'
import { malformed, Refusal } from '../errors.ts'
import { bubblewrapProblem } from '../isolation/sandbox.ts'
import { countFrom, type Env, readJson, type Serving } from './request.ts'

export function nodeRoutes(app: Hono<Env>, { agent, load, events, node }: Serving): void {
  const { identity, outbox, world } = agent

  app.get('/health', c => {
    const health: Health = {
      status: 'healthy',
      nodeName: identity.nodeName(),
      stateId: identity.stateId,
      version: VERSION,
      protocol: AGENT_PROTOCOL,
      ...load(),
      workspaces: agent.workspaces.size + agent.damaged.size,
    }
    return c.json(health)
  })

  app.put('/registration', async c => {
    const body = await readJson(world, c, registration)
    if (!/^https?:\/\/[^\s/]+/i.test(body.callback.url) || !URL.canParse(body.callback.url)) {
      throw malformed('callback.url', 'must be an http or https url')
    }
    if (!identity.adopt(body.nodeName)) {
      throw new Refusal('wrong_node', `this is node ${identity.nodeName()}, not ${body.nodeName}`, 'nodeName')
    }
    agent.registration.replace(body)
    node.registered()
    events.afresh()
    return c.body(null, 204)
  })

  app.get('/sandboxes/:kind', async c => {
    if (c.req.param('kind') !== 'bubblewrap') throw new Refusal('not_found', 'there is no such sandbox')
    const answer: SandboxState = { problem: await bubblewrapProblem(agent) }
    return c.json(answer)
  })

  app.get('/events', async c => {
    const after = countFrom(c, 'after', 0)
    const waitMs = Math.min(countFrom(c, 'wait', 0), EVENTS_WAIT_S_MAX) * 1_000
    const gone = new AbortController()
    c.env.outgoing.once('close', () => gone.abort())
    const signal = AbortSignal.any([gone.signal, agent.ending.signal])
    const found = await outbox.waitAfter(after, EVENTS_PAGE_MAX, waitMs, signal)
    const page = cutToBytes(found)
    const more = page.length < found.length ? { more: true } : {}
    const answer: AgentEvents = { stateId: identity.stateId, events: page, ...more }
    return c.json(answer)
  })
}

/** Room for what stands around the events of a page, in bytes. */
const AROUND_BYTES = 1024

/** The first events that fit into a page; the first one always does. */
function cutToBytes(found: AgentEvent[]): AgentEvent[] {
  let room = EVENTS_PAGE_BYTES_MAX - AROUND_BYTES
  const end = found.findIndex((event, index) => {
    room -= Buffer.byteLength(JSON.stringify(event)) + 1
    return room < 0 && index > 0
  })
  return end < 0 ? found : found.slice(0, end)
}
