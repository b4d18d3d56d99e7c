/**
 * Callbacks: VM agent → daemon, on a port and a router of their own. The caller is authenticated before the body is read;
 * what it reports is stored before it is answered. The engine does the rest at its own pace.
 */
import type { Context, Hono, MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { TdfError } from '../../src/core/errors.ts'
import { hashToken } from '../../src/platform/tokens.ts'
import type { Clock } from '../../src/platform/world.ts'
import * as callback from '../../src/protocol/callbacks.ts'
import { agentRequest } from '../../src/protocol/callbacks.ts'
import { idPattern, parseBody } from '../../src/protocol/shapes.ts'
import { readToken, type Token } from '../../src/store/tables/meta.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { readWorkspace } from '../../src/store/tables/slots.ts'
import { newestKey } from '../../src/store/tables/tasks.ts'
import type { RunningEngine } from '../build.ts'
import { durableAnswers, guardedApp, jsonBody } from './guard.ts'

export function callbackApp(engine: RunningEngine, hosts: () => readonly string[]): Hono {
  const { store } = engine
  const rate = createRate(engine.world.clock, CALLBACK_RATE)
  const app = guardedApp(engine.log, hosts, counted(engine))
  app.use(durableAnswers(engine))
  app.get('/healthz', c => c.text('ok'))

  const ofWorkspace = [
    ['ready', 'workspace_ready', callback.workspaceReady],
    ['provisioning-failed', 'provisioning_failed', callback.provisioningFailed],
  ] as const
  for (const [name, kind, schema] of ofWorkspace) {
    app.post(`/workspaces/:id/${name}`, async c => {
      const workspaceId = workspaceOf(engine, c, rate)
      const payload = await bodyOf(c, schema)
      return c.json(await engine.signal({ kind: 'workspace', signal: { workspaceId, kind, sessionId: null, payload } }))
    })
  }

  app.post('/workspaces/:id/requests', async c => {
    const workspaceId = workspaceOf(engine, c, rate)
    const request = await bodyOf(c, agentRequest)
    return c.json(await engine.signal({ kind: 'request', workspaceId, request }))
  })

  app.post('/tasks/:id/status', async c => {
    const id = idOf(c)
    const token = tokenOf(engine, c, rate)
    if (!newestKey(store.sql, id)) throw new TdfError('NOT_FOUND', `there is no task ${id}`)
    if (token.scope !== 'workspace' || token.taskId !== id) throw new TdfError('FORBIDDEN', `not a token of task ${id}`)
    const payload = await bodyOf(c, callback.taskStatus)
    if (payload.attempt !== token.attempt) {
      throw new TdfError('FORBIDDEN', `not a token of attempt ${payload.attempt}`)
    }
    const { sessionId } = payload
    const signal = { workspaceId: token.subject, kind: 'session_exited', sessionId, payload } as const
    return c.json(await engine.signal({ kind: 'workspace', signal }))
  })

  app.post('/nodes/:name/ready', async c => {
    const name = nodeOf(engine, c, rate)
    return c.json(await engine.signal({ kind: 'node_ready', name, ...(await bodyOf(c, callback.nodeReady)) }))
  })

  app.post('/nodes/:name/heartbeat', async c => {
    const name = nodeOf(engine, c, rate)
    return c.json(await engine.signal({ kind: 'heartbeat', name, ...(await bodyOf(c, callback.nodeHeartbeat)) }))
  })

  return app
}

/** By the kind of call, with ids left out, and by the status of the answer. */
function counted({ metrics }: Pick<RunningEngine, 'metrics'>): MiddlewareHandler {
  return async (c, next) => {
    await next()
    metrics.callback(KINDS.find(kind => c.req.path.endsWith(`/${kind}`)) ?? 'other', c.res.status)
  }
}

const KINDS = ['ready', 'provisioning-failed', 'requests', 'status', 'heartbeat', 'healthz']

async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  return parseBody(schema, await jsonBody(c))
}

/** Anchored before any look-up: an id is never a path. */
function idOf(c: Context): string {
  const id = c.req.param('id') ?? c.req.param('name') ?? ''
  if (!idPattern.test(id)) throw new TdfError('NOT_FOUND', 'there is nothing with such an id')
  return id
}

/**
 * By the hash of what was sent: how long the look-up takes says nothing about a token, which is 256 bits of a MAC.
 * Throws UNAUTHORIZED or TOO_MANY_REQUESTS.
 */
function tokenOf({ store }: Pick<RunningEngine, 'store'>, c: Context, rate: Rate): Token {
  const [scheme, secret] = (c.req.header('authorization') ?? '').split(' ')
  const hash = scheme === 'Bearer' && secret ? hashToken(secret) : undefined
  const token = hash === undefined ? undefined : readToken(store.sql, hash)
  if (hash === undefined || !token) {
    throw new TdfError('UNAUTHORIZED', 'a callback needs the bearer token that it was given')
  }
  const waitMs = rate.take(hash)
  if (waitMs === 0) return token
  throw new TdfError('TOO_MANY_REQUESTS', 'this token is used too often', { retryAfterMs: waitMs })
}

function workspaceOf(engine: RunningEngine, c: Context, rate: Rate): string {
  const id = idOf(c)
  const token = tokenOf(engine, c, rate)
  if (!readWorkspace(engine.store.sql, id)) throw new TdfError('NOT_FOUND', `there is no workspace ${id}`)
  if (token.scope !== 'workspace' || token.subject !== id) {
    throw new TdfError('FORBIDDEN', `not a token of workspace ${id}`)
  }
  return id
}

function nodeOf(engine: RunningEngine, c: Context, rate: Rate): string {
  const name = idOf(c)
  const token = tokenOf(engine, c, rate)
  if (!readNode(engine.store.sql, name)) throw new TdfError('NOT_FOUND', `there is no node ${name}`)
  if (token.scope !== 'node' || token.subject !== name) throw new TdfError('FORBIDDEN', `not a token of node ${name}`)
  return name
}

/** How often one caller may call: a token bucket for each. */
export interface Rate {
  /** 0 when the call may go on, else the ms after which the next one may. */
  take(caller: string): number
}

export interface RateOptions {
  perSecond: number
  burst: number
  callersMax?: number
}

/** A node calls a few times a minute; this is far beyond, and far below what a busy loop of calls would make. */
export const CALLBACK_RATE: RateOptions = { perSecond: 50, burst: 200 }

export function createRate(clock: Clock, { perSecond, burst, callersMax = 10_000 }: RateOptions): Rate {
  // In the order of the last call, so that the oldest is forgotten first: it would be full again by now.
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    take(caller) {
      const now = clock.mono()
      const bucket = buckets.get(caller) ?? { left: burst, at: now }
      const left = Math.min(bucket.left + ((now - bucket.at) / 1_000) * perSecond, burst)
      buckets.delete(caller)
      buckets.set(caller, { left: left >= 1 ? left - 1 : left, at: now })
      const oldest = buckets.keys().next()
      if (buckets.size > callersMax && !oldest.done) buckets.delete(oldest.value)
      return left >= 1 ? 0 : Math.ceil(((1 - left) / perSecond) * 1_000)
    },
  }
}
