/** All routes of the agent behind one guard, and every error in one shape. */
import { Hono } from 'hono'
import { messageOf } from '../log.ts'
import { Refusal } from '../refusal.ts'
import { jsonOnly } from './body.ts'
import type { Env, Serving } from './context.ts'
import { guard } from './guard.ts'
import { nodeRoutes } from './node-routes.ts'
import { asRefusal, errorResponse } from './refused.ts'
import { resultRoutes } from './result-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { workspaceRoutes } from './workspace-routes.ts'

export function makeApp(serving: Serving, token: string): Hono<Env> {
  const app = new Hono<Env>()
  app.use(guard(token))
  app.on(['POST', 'DELETE'], '/*', jsonOnly)
  app.put('/registration', jsonOnly)
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
