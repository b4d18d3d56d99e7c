/** Which budget is nearest to its limit. */
import { expect, it } from 'vitest'
import { nearestBudget } from '../../../../daemon/reporting/budgets.ts'
import { addSpending } from '../../../../src/store/spending/spending.ts'
import { mark } from '../../../../src/store/spending/windows.ts'
import { aConfig } from '../../../support/builders.ts'
import { databasePerTest } from '../../src/store/tables/database.ts'

const sql = databasePerTest()
/** Noon in the middle of a month. */
const NOW = new Date(2026, 2, 18, 12).getTime()
const nearest = (budgets: object) =>
  nearestBudget({ store: { sql: sql() }, config: aConfig({ budgets }) } as never, NOW)

function spend(costUsd: number, machineCost = 0, labels = {}): void {
  const who = { taskId: 'a', attempt: 1, agent: 'claude', model: 'm', node: 'local', labels }
  addSpending(sql(), who, { inputTokens: 0, outputTokens: 0, costUsd, machineCost }, NOW)
}

it('is the one of which the largest share is used, and none where none is set', () => {
  spend(12, 0, { team: 'web' })
  expect(nearest({})).toBeNull()
  const all = { window: 'day', label: null, isOfMachines: false, spent: 12, limit: 20, state: 'ok' }
  expect(nearest({ day: 20, month: 200 })).toEqual(all)
  expect(nearest({ day: 20, for: [{ label: 'team=web', day: 0, week: 15, month: 0 }] })).toEqual({
    ...all,
    window: 'week',
    label: 'team=web',
    limit: 15,
    state: 'near',
  })
  expect(nearest({ day: 12 })).toMatchObject({ state: 'used' })
  expect(nearest({ day: 20, warnAt: 0.5 })).toMatchObject({ state: 'near' })
})

it('is that of machines in euros, where they have cost most of theirs', () => {
  spend(1, 9)
  expect(nearest({ day: 100, machinesMonth: 10 })).toEqual({
    window: 'month',
    label: null,
    isOfMachines: true,
    spent: 9,
    limit: 10,
    state: 'near',
  })
})

it('has the limit that its users have raised', () => {
  spend(20)
  mark(sql(), 'day', new Date(2026, 2, 18).getTime(), 'granted')
  expect(nearest({ day: 20 })).toMatchObject({ spent: 20, limit: 25, state: 'near' })
})
