/** All routes of the agent behind one guard, and every error in one shape. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono, type MiddlewareHandler } from 'hono'
import { STATE_HEADER } from '../../protocol/agent-api.ts'
import { messageOf, Refusal } from '../errors.ts'
import { nodeRoutes } from './node-routes.ts'
import { asRefusal, type Env, errorResponse, jsonOnly, type Serving } from './request.ts'
import { resultRoutes } from './result-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { workspaceRoutes } from './workspace-routes.ts'

export function makeApp(serving: Serving, token: string): Hono<Env> {
  const app = new Hono<Env>()
  app.use(guard(token))
  app.use(async (_, next) => {
    const leave = serving.contact.enter()
    await next().finally(leave)
  })
  app.on(['POST', 'DELETE'], '/*', jsonOnly)
  app.put('/registration', jsonOnly)
  app.use('/workspaces/*', sameState(serving.agent.identity.stateId))
  nodeRoutes(app, serving)
  workspaceRoutes(app, serving)
  sessionRoutes(app, serving)
  resultRoutes(app, serving)
  app.notFound(() => errorResponse(new Refusal('not_found', 'there is no such path')))
  app.onError(error => {
    const refusal = asRefusal(error)
    if (refusal.status >= 500) serving.agent.log('error', 'request failed', { reason: messageOf(error) })
    return errorResponse(refusal)
  })
  return app
}

/** Checks every request before its body is read: no browser behind it, the bearer token, a plain path. */
export function guard(token: string): MiddlewareHandler<Env> {
  const expected = digest(token)
  return async (c, next) => {
    const { headers, url = '', method } = c.env.incoming
    if (headers.origin !== undefined) throw new Refusal('forbidden', 'requests from browsers are not served')
    const path = url.split('?', 1)[0] ?? ''
    const { authorization } = headers
    if (authorization === undefined && path === '/health' && method === 'GET') return c.json({ status: 'healthy' })
    if (!timingSafeEqual(digest(bearerOf(authorization)), expected)) {
      throw new Refusal('unauthorized', 'the bearer token is missing or wrong')
    }
    if (!isPlain(path)) throw new Refusal('not_found', 'there is no such path')
    await next()
  }
}

/**
 * Refuses what was meant for another state folder. A request that is long on its way can arrive at an agent that has lost
 * its state meanwhile, and would run there what has ended by then.
 */
function sameState(stateId: string): MiddlewareHandler<Env> {
  return async (c, next) => {
    const meant = c.req.header(STATE_HEADER)
    if (meant !== undefined && meant !== stateId) {
      throw new Refusal('wrong_state', `this is state ${stateId}, and the request is for another`)
    }
    await next()
  }
}

/** Hashed, so that both sides have one length whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function bearerOf(header: string | undefined): string {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? ''
}

/** Whether the path as it was sent has neither escapes nor dot segments: no id of the API needs them. */
function isPlain(path: string): boolean {
  return /^\/[A-Za-z0-9._/-]*$/.test(path) && !path.split('/').some(part => part === '.' || part === '..')
}
