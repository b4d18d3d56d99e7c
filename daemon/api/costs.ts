/** What was spent, by one of its sides. */
import { Hono } from 'hono'
import { TdfError } from '../../src/core/errors.ts'
import { COST_KINDS, type CostsJson } from '../../src/protocol/upkeep.ts'
import { readCosts, unpricedAgents } from '../../src/store/spending/costs.ts'
import { chargeMachines, pricedNodes } from '../../src/store/spending/machines.ts'
import type { RunningEngine } from '../build.ts'
import { numberOf } from './guard.ts'

export function costRoutes({ store, config, world }: RunningEngine): Hono {
  const app = new Hono()
  app.get('/costs', async c => {
    const { since = 0 } = numberOf(c, 'since', 'since')
    const asked = c.req.query('by')
    const by = COST_KINDS.find(kind => kind === asked)
    if (asked !== undefined && by === undefined) {
      throw new TdfError('BAD_REQUEST', `by: it must be one of ${COST_KINDS.join(', ')}`, { field: 'by' })
    }
    // Machines cost as they stand there.
    if (pricedNodes(store.sql).length > 0) await store.commit(() => chargeMachines(store.sql, world.clock.now()))
    const rows = readCosts(store.sql, since, by).map(({ machineCost, ...row }) => ({
      ...row,
      machineUsd: machineCost * config.budgets.usdPerEur,
    }))
    return c.json({ rows, unpriced: unpricedAgents(store.sql, since) } satisfies CostsJson)
  })
  return app
}
