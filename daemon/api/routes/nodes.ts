/** Nodes: look, add, drain, remove. */
import { Hono } from 'hono'
import { TdfError } from '../../../src/core/errors.ts'
import { addBox, scanBox } from '../../../src/protocol/nodes.ts'
import { parseBody } from '../../../src/protocol/shapes.ts'
import { readNode, readNodes } from '../../../src/store/tables/nodes.ts'
import { readWorkspace } from '../../../src/store/tables/slots.ts'
import type { RunningEngine } from '../../build.ts'
import { drainNode, findNode, removeNode } from '../../nodes/actions.ts'
import type { Control } from '../control-parts.ts'
import { jsonBody } from '../guard.ts'
import { findTask } from '../tasks/find.ts'
import { figuresOf, nodeJson } from '../tasks/json.ts'
import { isDryRun } from './tasks.ts'

export function nodeRoutes(engine: RunningEngine, { addedNodes }: Pick<Control, 'addedNodes'>): Hono {
  const { store } = engine
  const app = new Hono()
  const shown = (name: string) => nodeJson(findNode(engine, name), figuresOf(store.sql))

  app.get('/nodes', c => {
    const figures = figuresOf(store.sql)
    return c.json(readNodes(store.sql, c.req.query('all') === 'true').map(node => nodeJson(node, figures)))
  })
  app.get('/nodes/:name', c => c.json(shown(c.req.param('name'))))
  app.post('/nodes/scan', async c => c.json(await addedNodes.scan(parseBody(scanBox, await jsonBody(c)).ssh)))
  app.post('/nodes', async c => {
    const box = parseBody(addBox, await jsonBody(c))
    await addedNodes.add(engine, box)
    return c.json(shown(box.name), 201)
  })
  app.post('/nodes/:name/drain', async c => {
    await drainNode(engine, c.req.param('name'), { undo: c.req.query('undo') === 'true', dryRun: isDryRun(c) })
    return c.json(shown(c.req.param('name')))
  })
  app.delete('/nodes/:name', async c => {
    const node = findNode(engine, c.req.param('name'))
    const discard = c.req.query('discard_work') === 'true'
    await removeNode(engine, node.name, { discard, dryRun: isDryRun(c) })
    return c.json(nodeJson(node, figuresOf(store.sql)))
  })
  return app
}

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

/** A login as root becomes the owner of the work tree, with that user's home. */
function shellIn(path: string): string {
  const asOwner = `u=$(stat -c %U .) && exec runuser -u "$u" -- env HOME="$(getent passwd "$u" | cut -d: -f6)" "\${SHELL:-sh}"`
  return `cd ${quoted(path)} && if [ "$(id -u)" = 0 ]; then ${asOwner}; else exec "\${SHELL:-sh}"; fi`
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
