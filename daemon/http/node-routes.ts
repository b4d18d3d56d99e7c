/** Nodes: look, add, drain, remove. */
import { Hono } from 'hono'
import { addBox, scanBox } from '../../src/protocol/nodes.ts'
import { parseBody } from '../../src/protocol/shapes.ts'
import { readNodes } from '../../src/store/nodes.ts'
import { slotsInUse } from '../../src/store/slots.ts'
import type { RunningEngine } from '../build-engine.ts'
import { drainNode, findNode, removeNode } from '../node-actions.ts'
import { nodeJson } from '../view/event-json.ts'
import type { Control } from './control-parts.ts'
import { jsonBody } from './guard.ts'
import { isDryRun } from './task-filter.ts'

export function nodeRoutes(engine: RunningEngine, { boxes }: Pick<Control, 'boxes'>): Hono {
  const { store } = engine
  const app = new Hono()
  const shown = (name: string) => nodeJson(findNode(engine, name), slotsInUse(store.sql))

  app.get('/nodes', c => {
    const used = slotsInUse(store.sql)
    return c.json(readNodes(store.sql, c.req.query('all') === 'true').map(node => nodeJson(node, used)))
  })
  app.get('/nodes/:name', c => c.json(shown(c.req.param('name'))))
  app.post('/nodes/scan', async c => c.json(await boxes.scan(parseBody(scanBox, await jsonBody(c)).ssh)))
  app.post('/nodes', async c => {
    const box = parseBody(addBox, await jsonBody(c))
    await boxes.add(engine, box)
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
    return c.json(nodeJson(node, slotsInUse(store.sql)))
  })
  return app
}
