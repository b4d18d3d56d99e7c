/** Sessions of a workspace: started, looked at, prompted, cancelled, read. */
import type { Hono } from 'hono'
import { permissionAnswer, promptDelivery, startSession as startSessionBody } from '../../protocol/agent-api.ts'
import { requestAnswer } from '../../protocol/callbacks.ts'
import { idPattern } from '../../protocol/shapes.ts'
import { messageOf, Refusal } from '../errors.ts'
import { answerPermission, deliverPrompt } from '../sessions/deliver.ts'
import { outputPath, timesPath } from '../sessions/folder.ts'
import { endSession } from '../sessions/process.ts'
import { sessionOf, startSession } from '../sessions/start.ts'
import { logChunk, sessionView } from '../sessions/view.ts'
import { countFrom, type Env, idFrom, readBody, readJson, type Serving, workspaceFrom } from './request.ts'

const SESSION = '/workspaces/:workspace/agent-sessions/:session'

export function sessionRoutes(app: Hono<Env>, { agent }: Serving): void {
  app.post('/workspaces/:workspace/agent-sessions', async c => {
    const workspace = workspaceFrom(agent, c)
    const body = await readJson(agent.world, c, startSessionBody)
    const { session, isNew } = await startSession(agent, workspace, body)
    return c.json({ sessionId: body.sessionId, status: session.exit ? 'exited' : 'running' }, isNew ? 201 : 200)
  })

  app.get(SESSION, async c => {
    const session = await sessionOf(agent, workspaceFrom(agent, c), idFrom(c, 'session'))
    return c.json(sessionView(session))
  })

  app.post(`${SESSION}/prompt`, async c => {
    const session = await sessionOf(agent, workspaceFrom(agent, c), idFrom(c, 'session'))
    const isNew = deliverPrompt(session, await readJson(agent.world, c, promptDelivery))
    return c.json({ sessionId: session.request.sessionId }, isNew ? 202 : 200)
  })

  app.post(`${SESSION}/permission`, async c => {
    const session = await sessionOf(agent, workspaceFrom(agent, c), idFrom(c, 'session'))
    const isNew = answerPermission(session, await readJson(agent.world, c, permissionAnswer))
    return c.json({ sessionId: session.request.sessionId }, isNew ? 202 : 200)
  })

  app.post(`${SESSION}/answers`, async c => {
    const workspace = workspaceFrom(agent, c)
    agent.relay.answered(workspace.id, await readJson(agent.world, c, requestAnswer))
    return c.json({ sessionId: idFrom(c, 'session') })
  })

  app.post(`${SESSION}/cancel`, async c => {
    const session = await sessionOf(agent, workspaceFrom(agent, c), idFrom(c, 'session'))
    await readBody(agent.world, c.env.incoming)
    endSession(agent, session.folder).catch(error => {
      agent.log('error', 'cancel failed', { folder: session.folder, reason: messageOf(error) })
    })
    return c.json({ sessionId: session.request.sessionId, status: session.exit ? 'exited' : 'running' }, 202)
  })

  for (const [name, pathOf] of Object.entries(READ)) {
    app.get(`/workspaces/:workspace/${name}`, async c => {
      const workspace = workspaceFrom(agent, c)
      const after = countFrom(c, 'after', 0)
      const sessionId = c.req.query('session') ?? null
      if (sessionId !== null && !idPattern.test(sessionId)) throw new Refusal('not_found', 'there is no such session')
      const chunk = await logChunk(workspace, sessionId, after, pathOf)
      return c.body(chunk, 200, {
        'content-type': 'application/octet-stream',
        'x-next-offset': String(after + chunk.length),
      })
    })
  }
}

/** What a session printed, and when which byte of it was written. */
const READ = { logs: outputPath, 'log-times': timesPath }
