/** Workspaces: made, fed, looked at, stopped, deleted. */
import type { Context, Hono } from 'hono'
import { type AgentWorkspace, createWorkspace } from '../../protocol/agent-api.ts'
import { BUNDLE_BYTES_MAX } from '../../protocol/shapes.ts'
import type { KeptSource } from '../../protocol/workspace-source.ts'
import type { Agent } from '../agent.ts'
import { malformed, Refusal } from '../errors.ts'
import { create } from '../workspaces/create.ts'
import { destroy, stop } from '../workspaces/end.ts'
import { commitsKept } from '../workspaces/sources/cache.ts'
import { receiveBundle, type Thin } from '../workspaces/sources/upload.ts'
import { type Workspace, workTree } from '../workspaces/workspace.ts'
import { countFrom, type Env, idFrom, readJson, type Serving, workspaceFrom } from './request.ts'

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
    await receiveBundle(agent, workspaceFrom(agent, c), c.env.incoming, thinFrom(c))
    return c.body(null, 204)
  })

  app.get('/sources/:key', c => {
    const key = c.req.param('key')
    if (!SHA256.test(key)) throw new Refusal('not_found', 'there is no such source')
    return c.json({ have: commitsKept(agent, key) } satisfies KeptSource)
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

const SHA256 = /^[0-9a-f]{64}$/

function thinFrom(c: Context<Env>): Thin | undefined {
  const sha256 = c.req.query('thin')
  if (sha256 === undefined) return undefined
  if (!SHA256.test(sha256)) throw malformed('thin', 'must be 64 hex digits')
  return { sha256, bytes: Math.min(countFrom(c, 'bytes', 0), BUNDLE_BYTES_MAX) }
}

function view(workspace: Workspace): AgentWorkspace {
  const { status, errorMessage, isPassing, request, bundleReceived, note } = workspace.record
  const path = workTree(workspace)
  const needsBundle = status === 'creating' && request.source.kind === 'bundle' && !bundleReceived
  return {
    ...{ workspaceId: workspace.id, taskId: request.taskId, attempt: request.attempt, status, errorMessage, path },
    ...(isPassing ? { isPassing } : {}),
    ...(needsBundle ? { needsBundle } : {}),
    ...(note === null ? {} : { note }),
    ...(status === 'creating' && workspace.doing !== null ? { doing: workspace.doing } : {}),
  }
}

/** Its record cannot be read, so whose it was is unknown; it is shown all the same. */
function damagedView(agent: Agent, id: string): AgentWorkspace {
  const errorMessage = agent.damaged.get(id) ?? null
  return { workspaceId: id, taskId: 'unknown', attempt: 0, status: 'failed', errorMessage }
}
