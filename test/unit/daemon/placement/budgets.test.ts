/** No machine is ordered for which its first hour has no room, beside the hours that are paid already. */
import { expect, it } from 'vitest'
import { orderHold } from '../../../../daemon/placement/budgets.ts'
import { chargeMachine } from '../../../../src/store/spending/machines.ts'
import { insertNode } from '../../../../src/store/tables/nodes.ts'
import { aConfig } from '../../../support/builders.ts'
import { aNode } from '../../../support/daemon/step-context.ts'
import { databasePerTest } from '../../src/store/tables/database.ts'

const sql = databasePerTest()
/** Noon in the middle of a month. */
const NOW = new Date(2026, 2, 18, 12).getTime()
const holdBy = (budgets: object) => orderHold({ store: { sql: sql() }, config: aConfig({ budgets }) } as never, NOW)

it('counts the hour to come, the rest of those that were begun, and the first one of what is ordered', () => {
  expect(holdBy({ machinesMonth: 1 })).toBeNull()
  insertNode(sql(), aNode({ name: 'runs', autoProvisioned: true, pricePerHour: 1 }))
  chargeMachine(sql(), 'runs', NOW - 1_800_000)
  chargeMachine(sql(), 'runs', NOW)
  insertNode(sql(), aNode({ name: 'ordered', status: 'ordered', autoProvisioned: true }))
  // Half an hour is spent, half an hour is paid, one is ordered, and one would come.
  expect(holdBy({ machinesMonth: 3 })).toBeNull()
  expect(holdBy({ machinesMonth: 2.9 })).toBe(
    '[budgets] machines_month of €2.9 has no room for an hour of another machine',
  )
  expect(holdBy({ day: 6, usdPerEur: 2 })).toBeNull()
  expect(holdBy({ day: 5.9, usdPerEur: 2 })).toBe('the day budget of $5.90 has no room for an hour of another machine')
  expect(holdBy({})).toBeNull()
})
