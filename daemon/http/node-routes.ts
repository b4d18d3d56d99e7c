/** Nodes: look, drain, remove. */
import { Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import { readNode, readNodes } from '../../src/store/nodes.ts'
import { slotsInUse } from '../../src/store/slots.ts'
import type { RunningEngine } from '../build-engine.ts'
import { nodeJson } from '../view/event-json.ts'

export function nodeRoutes(engine: RunningEngine): Hono {
  const { store } = engine
  const app = new Hono()

  app.get('/nodes', c => {
    const used = slotsInUse(store.sql)
    return c.json(readNodes(store.sql, c.req.query('all') === 'true').map(node => nodeJson(node, used)))
  })

  app.get('/nodes/:name', c => {
    const name = c.req.param('name')
    const node = readNode(store.sql, name)
    if (!node) throw new TdfError('NOT_FOUND', `there is no node "${name}"`, { hint: 'tdf node ls' })
    return c.json(nodeJson(node, slotsInUse(store.sql)))
  })
  return app
}
