/** The way into a workspace, for people. */
import { Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import { readNode } from '../../src/store/nodes.ts'
import { readWorkspace } from '../../src/store/slots.ts'
import type { RunningEngine } from '../build-engine.ts'
import { findTask } from '../find-task.ts'

const LOOK_MS = 10_000

export function shellRoutes(engine: RunningEngine): Hono {
  const { store, agents, providers } = engine
  const app = new Hono()

  /** The command that opens a shell there; the CLI runs it as its user. */
  app.get('/tasks/:task/shell', async c => {
    const task = findTask(store.sql, c.req.param('task'))
    const workspace = task.workspaceId === null ? undefined : readWorkspace(store.sql, task.workspaceId)
    const node = workspace && workspace.releasedAt === null ? readNode(store.sql, workspace.nodeName) : undefined
    if (!workspace || !node) {
      const hint = task.facts.saved ? `tdf pull ${task.id}` : `tdf why ${task.id}`
      throw new TdfError('WRONG_STATE', `task ${task.id} has no workspace now: it is ${task.status}`, { hint })
    }
    const agent = await agents.of(node, c.req.raw.signal, LOOK_MS)
    const path = (await agent.workspace(workspace.id))?.path
    const way = providers[node.provider]?.shell(node)
    if (!path || !way) {
      throw new TdfError('WRONG_STATE', `there is no way to a shell on node ${node.name}`, {
        hint: `tdf logs ${task.id} -f`,
      })
    }
    return c.json({ command: [...way, shellIn(path)], path, node: node.name })
  })
  return app
}

/** Whoever comes in as root becomes the owner of the work tree, at home where that user is. */
function shellIn(path: string): string {
  const asOwner = `u=$(stat -c %U .) && exec runuser -u "$u" -- env HOME="$(getent passwd "$u" | cut -d: -f6)" "\${SHELL:-sh}"`
  return `cd ${quoted(path)} && if [ "$(id -u)" = 0 ]; then ${asOwner}; else exec "\${SHELL:-sh}"; fi`
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
