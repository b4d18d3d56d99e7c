/** Workspaces: made, fed, looked at, stopped, deleted. */
import type { Hono } from 'hono'
import { type AgentWorkspace, createWorkspace } from '../../protocol/agent-api.ts'
import type { Agent } from '../agent.ts'
import { create } from '../workspaces/create.ts'
import { destroy, stop } from '../workspaces/end.ts'
import { receiveBundle } from '../workspaces/upload.ts'
import { type Workspace, workTree } from '../workspaces/workspace.ts'
import { type Env, idFrom, readJson, type Serving, workspaceFrom } from './request.ts'

export function workspaceRoutes(app: Hono<Env>, { agent, events }: Serving): void {
  app.post('/workspaces', async c => {
    const { workspace, isNew } = await create(agent, await readJson(agent.world, c, createWorkspace))
    return c.json({ workspaceId: workspace.id, status: workspace.record.status }, isNew ? 202 : 200)
  })

  app.get('/workspaces', c => {
    const sound = [...agent.workspaces.values()].filter(workspace => !workspace.deleted).map(view)
    return c.json({ workspaces: [...sound, ...[...agent.damaged.keys()].map(id => damagedView(agent, id))] })
  })

  app.get('/workspaces/:workspace', c => {
    const id = idFrom(c, 'workspace')
    if (agent.damaged.has(id)) return c.json(damagedView(agent, id))
    return c.json(view(workspaceFrom(agent, c)))
  })

  app.put('/workspaces/:workspace/bundle', async c => {
    await receiveBundle(agent, workspaceFrom(agent, c), c.env.incoming)
    return c.body(null, 204)
  })

  app.post('/workspaces/:workspace/stop', async c => {
    const workspaceId = idFrom(c, 'workspace')
    await stop(agent, workspaceId)
    return c.json({ workspaceId, status: 'stopped' })
  })

  app.delete('/workspaces/:workspace', async c => {
    const workspaceId = idFrom(c, 'workspace')
    events.drop(workspaceId)
    await destroy(agent, workspaceId)
    return c.json({ workspaceId, status: 'deleted' })
  })
}

function view(workspace: Workspace): AgentWorkspace {
  const { status, errorMessage, request } = workspace.record
  const path = workTree(workspace)
  return { workspaceId: workspace.id, taskId: request.taskId, attempt: request.attempt, status, errorMessage, path }
}

/** Its record cannot be read, so whose it was is unknown; it is shown all the same. */
function damagedView(agent: Agent, id: string): AgentWorkspace {
  const errorMessage = agent.damaged.get(id) ?? null
  return { workspaceId: id, taskId: 'unknown', attempt: 0, status: 'failed', errorMessage }
}
