/** Nodes: look, drain, remove. */
import { Hono } from 'hono'
import { readNodes } from '../../src/store/nodes.ts'
import { slotsInUse } from '../../src/store/slots.ts'
import type { RunningEngine } from '../build-engine.ts'
import { drainNode, findNode, removeNode } from '../node-actions.ts'
import { nodeJson } from '../view/event-json.ts'

export function nodeRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()
  const shown = (name: string) => nodeJson(findNode(engine, name), slotsInUse(store.sql))

  app.get('/nodes', c => {
    const used = slotsInUse(store.sql)
    return c.json(readNodes(store.sql, c.req.query('all') === 'true').map(node => nodeJson(node, used)))
  })
  app.get('/nodes/:name', c => c.json(shown(c.req.param('name'))))
  app.post('/nodes/:name/drain', async c => {
    await drainNode(engine, c.req.param('name'), c.req.query('undo') === 'true')
    return c.json(shown(c.req.param('name')))
  })
  app.delete('/nodes/:name', async c => {
    const node = findNode(engine, c.req.param('name'))
    await removeNode(engine, node.name, c.req.query('discard_work') === 'true')
    return c.json(nodeJson(node, slotsInUse(store.sql)))
  })
  return app
}
