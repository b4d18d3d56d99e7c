/**
 * The way of an agent to hand tasks over (`submit --may-spawn`): a server for the Model Context Protocol on a loopback port, for the
 * sessions whose tasks may, each with a token of its own in its URL. It decides nothing: a call becomes an event of the outbox, which
 * reaches the daemon as every event does, and waits for the daemon's answer.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'
import { type Listener, listen } from '../../platform/listen.ts'
import type { Agent, Relay } from '../agent.ts'
import { messageOf, Refusal } from '../errors.ts'
import { isRunning, readSession, type SessionState, sessionFolder } from '../sessions/folder.ts'
import { readJson, writeJson } from '../state/durable.ts'
import { type Calls, createCalls } from './relay-calls.ts'
import { answerTo } from './relay-protocol.ts'
import { asRefusal, type Env, errorResponse, jsonOnly, readBody } from './request.ts'

const stored = z.object({ port: z.int().min(1).max(65_535), key: z.string().regex(/^[0-9a-f]{64}$/) })
const LIMITS = { requestTimeoutMs: 30_000, connectionsMax: 128, silenceMs: 120_000 }
const HOST = '127.0.0.1'

/** `agent` is asked for when something is done: it holds the relay itself. */
export function createRelay(agent: () => Agent, state: string): Relay {
  const file = join(state, 'relay.json')
  const known = () => readJson(file, stored)
  const calls: Calls = createCalls(agent)
  let opening: Promise<Listener> | null = null

  async function openPort(): Promise<Listener> {
    const { world } = agent()
    const before = known()
    const key = before?.key ?? world.random.bytes(32).toString('hex')
    const handler = getRequestListener(relayApp(agent, calls, key).fetch, {
      overrideGlobalObjects: false,
      errorHandler: error => errorResponse(asRefusal(error)),
    })
    const at = (port: number) => listen(handler, { kind: 'tcp', host: HOST, port }, { ...LIMITS, clock: world.clock })
    const listener = await at(before?.port ?? 0).catch(error => {
      if (!before) throw error
      agent().log('warn', 'the port of the relay is taken: sessions that run hand nothing over', { port: before.port })
      return at(0)
    })
    writeJson(file, { port: listener.port, key })
    return listener
  }

  return {
    async open() {
      opening ??= openPort()
      await opening.catch(error => {
        opening = null
        throw error
      })
    },
    urlOf(request) {
      const at = request.maySpawn ? known() : null
      return at && `http://${HOST}:${at.port}/mcp/${tokenOf(at.key, request)}`
    },
    answered: calls.answered,
    async stop() {
      calls.stop()
      const listener = await opening?.catch(() => null)
      await listener?.stop()
    },
  }
}

function relayApp(agent: () => Agent, calls: Calls, key: string): Hono<Env> {
  const app = new Hono<Env>()
  app.use(async (c, next) => {
    if (c.env.incoming.headers.origin !== undefined) throw new Refusal('forbidden', 'browsers are not served')
    await next()
  })
  app.post('/mcp/:token', jsonOnly, async c => {
    const session = sessionOf(agent(), key, c.req.param('token'))
    const body = await readBody(agent().world, c.env.incoming)
    const client = c.req.header('mcp-session-id') ?? ''
    const answer = await answerTo(body.toString('utf8'), {
      newClient: () => agent().world.random.bytes(16).toString('hex'),
      call: (rpcId, tool, input) => calls.call(session, [client, rpcId], tool, input),
    })
    if (answer.body === null) return c.body(null, answer.status)
    return c.body(answer.body, answer.status, { ...JSON_TYPE, ...answer.headers })
  })
  // No stream of the server's own is offered.
  app.on(['GET', 'DELETE'], '/mcp/:token', c => c.body(null, 405, { allow: 'POST' }))
  app.notFound(() => errorResponse(new Refusal('not_found', 'there is no such path')))
  app.onError(error => {
    const refusal = asRefusal(error)
    if (refusal.status >= 500) agent().log('error', 'a call of the relay failed', { reason: messageOf(error) })
    return errorResponse(refusal)
  })
  return app
}

const JSON_TYPE = { 'content-type': 'application/json' }

function tokenOf(key: string, { workspaceId, sessionId }: { workspaceId: string; sessionId: string }): string {
  const mac = createHmac('sha256', key).update(`${workspaceId}\n${sessionId}`).digest('base64url')
  return `${workspaceId}~${sessionId}~${mac}`
}

/** The session that runs and whose token this is. Throws `unauthorized`, the same for whatever is wrong. */
function sessionOf(agent: Agent, key: string, token: string): SessionState {
  const [workspaceId = '', sessionId = ''] = token.split('~')
  const [given, expected] = [Buffer.from(token), Buffer.from(tokenOf(key, { workspaceId, sessionId }))]
  const isOurs = given.length === expected.length && timingSafeEqual(given, expected)
  const workspace = isOurs ? agent.workspaces.get(workspaceId) : undefined
  const session = workspace && readSession(sessionFolder(workspace, sessionId))
  if (session?.request.maySpawn && isRunning(session)) return session
  throw new Refusal('unauthorized', 'the token is of no session that runs')
}
