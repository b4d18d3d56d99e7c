/** What was spent: once, by whom, on which day; and what machines cost while tasks share them. */
import { describe, expect, it } from 'vitest'
import { readCosts, unpricedAgents } from '../../../../../src/store/spending/costs.ts'
import { chargeMachine, chargeMachines, pricedNodes } from '../../../../../src/store/spending/machines.ts'
import { addSpending, type Spender, spentSince } from '../../../../../src/store/spending/spending.ts'
import { MIGRATIONS } from '../../../../../src/store/sqlite/migrations.ts'
import { insertAttempt, readAttempt, updateAttempt } from '../../../../../src/store/tables/attempts.ts'
import { moveTimes } from '../../../../../src/store/tables/meta.ts'
import { insertNode } from '../../../../../src/store/tables/nodes.ts'
import { placeWorkspace, releaseWorkspace, reserve } from '../../../../../src/store/tables/slots.ts'
import { deleteTask, insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'
import { databasePerTest } from '../tables/database.ts'

const sql = databasePerTest()
const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Noon, so that the zone of the machine does not part the hours after it. */
const T = Date.parse('2026-03-02T12:00:00')

const spender = (change: Partial<Spender> = {}): Spender => ({
  ...{ taskId: 'a', attempt: 1, agent: 'claude', model: 'm', node: 'n1', labels: {} },
  ...change,
})
function spend(costUsd: number | null, change: Partial<Spender> = {}, at = T, tokens = 10): void {
  addSpending(sql(), spender(change), { inputTokens: tokens, outputTokens: 1, costUsd, machineCost: 0 }, at)
}
const rowsOf = (...args: Parameters<typeof readCosts> extends [unknown, ...infer Rest] ? Rest : never) =>
  readCosts(sql(), ...args).map(({ key, tasks, costUsd, machineCost }) => [key, tasks, costUsd, machineCost])

describe('what agents cost', () => {
  it('is one row without a side to ask for, also when nothing was spent', () => {
    expect(readCosts(sql(), 0)).toEqual([
      { key: null, tasks: 0, inputTokens: 0, outputTokens: 0, costUsd: null, machineCost: 0, unpriced: 0 },
    ])
    expect(readCosts(sql(), 0, 'day')).toEqual([])
  })

  it('is told by day, labels, agent, model, node and schedule, and each sums to the whole', () => {
    spend(1)
    spend(0.5)
    spend(2, { taskId: 'b', agent: 'codex', model: '', node: 'n2', labels: { team: 'web', planned: '1' } }, T + DAY)
    spend(4, { taskId: 'c', labels: { team: 'web', planned: '2', schedule: 'nightly' } }, T + DAY)
    expect(rowsOf(0)).toEqual([[null, 3, 7.5, 0]])
    expect(rowsOf(0, 'day')).toEqual([
      ['2026-03-02', 1, 1.5, 0],
      ['2026-03-03', 2, 6, 0],
    ])
    // What tells one task from another like it is no label to sum up by.
    expect(rowsOf(0, 'label')).toEqual([
      ['schedule=nightly,team=web', 1, 4, 0],
      ['team=web', 1, 2, 0],
      [null, 1, 1.5, 0],
    ])
    expect(rowsOf(0, 'agent').map(([key]) => key)).toEqual(['claude', 'codex'])
    expect(rowsOf(0, 'model').map(([key]) => key)).toEqual(['m', null])
    expect(rowsOf(0, 'node').map(([key]) => key)).toEqual(['n1', 'n2'])
    expect(rowsOf(0, 'schedule')).toEqual([
      ['nightly', 1, 4, 0],
      [null, 2, 3.5, 0],
    ])
    for (const side of ['day', 'label', 'agent', 'model', 'node', 'schedule'] as const) {
      expect(rowsOf(0, side).reduce((sum, [, , cost]) => sum + Number(cost), 0)).toBe(7.5)
    }
  })

  it('puts sets of labels together that differ in what belongs to one task', () => {
    spend(1, { taskId: 'b', labels: { team: 'web', planned: '1' } })
    spend(null, { taskId: 'c', labels: { team: 'web', planned: '2' } })
    spend(null, { taskId: 'd', labels: { team: 'app', planned: '2' } })
    spend(null, { taskId: 'e', labels: { team: 'app', planned: '3' } })
    expect(readCosts(sql(), 0, 'label')).toMatchObject([
      { key: 'team=app', tasks: 2, costUsd: null, inputTokens: 20, unpriced: 2 },
      { key: 'team=web', tasks: 2, costUsd: 1, inputTokens: 20, unpriced: 1 },
    ])
  })

  it('counts from a time on, by all or by those with a label', () => {
    spend(1, { labels: { team: 'web' } })
    spend(2, {}, T + HOUR)
    expect(rowsOf(T + 1)).toEqual([[null, 1, 3, 0]])
    expect(rowsOf(T + HOUR)).toEqual([[null, 1, 2, 0]])
    expect(spentSince(sql(), T)).toEqual({ costUsd: 3, machineCost: 0 })
    expect(spentSince(sql(), T, { key: 'team', value: 'web' })).toEqual({ costUsd: 1, machineCost: 0 })
    expect(spentSince(sql(), T, { key: 'team', value: 'app' })).toEqual({ costUsd: 0, machineCost: 0 })
  })

  it('is unknown until it is told: a task counts as unpriced that never had a price, with the name of its agent', () => {
    spend(null)
    expect(readCosts(sql(), 0)).toMatchObject([{ costUsd: null, unpriced: 1, inputTokens: 10 }])
    expect(unpricedAgents(sql(), 0)).toEqual(['claude'])
    spend(0.5, {}, T + HOUR)
    spend(null, { taskId: 'b', agent: 'codex' })
    expect(readCosts(sql(), 0)).toMatchObject([{ costUsd: 0.5, unpriced: 1, tasks: 2 }])
    expect(unpricedAgents(sql(), 0)).toEqual(['codex'])
  })
})

describe('what machines cost', () => {
  const place = (id: string, at: number) => {
    const spec = aSpec({ labels: { team: id } })
    insertTask(sql(), { id, spec, idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
    insertAttempt(sql(), aTask({ id, facts: { session: { model: 'opus' } as never } }))
    reserve(sql(), { id, attempt: 1, nodeName: 'n1' }, at)
    const workspace = { id: `${id}-1-1`, taskId: id, attempt: 1, placement: 1, nodeName: 'n1', status: 'creating' }
    placeWorkspace(sql(), workspace, at)
  }
  const costs = () => Object.fromEntries(readCosts(sql(), 0, 'label').map(({ key, machineCost }) => [key, machineCost]))

  it('is shared by the tasks that have a place there, to the hour that was begun when it goes', () => {
    insertNode(sql(), aNode({ name: 'n1', pricePerHour: 4 }))
    chargeMachine(sql(), 'n1', T)
    place('a', T + HOUR / 2)
    place('b', T + HOUR)
    releaseWorkspace(sql(), 'a-1-1', T + 1.5 * HOUR)
    releaseWorkspace(sql(), 'b-1-1', T + 2 * HOUR)
    expect(costs()).toEqual({ null: 2, 'team=a': 3, 'team=b': 3 })
    chargeMachine(sql(), 'n1', T + 2.25 * HOUR, true)
    chargeMachine(sql(), 'n1', T + 2.25 * HOUR, true)
    expect(costs()).toEqual({ null: 6, 'team=a': 3, 'team=b': 3 })
    expect(readCosts(sql(), 0, 'node')).toMatchObject([{ key: 'n1', tasks: 2, machineCost: 12, costUsd: null }])
    expect(readCosts(sql(), 0, 'model')).toMatchObject([{ key: 'opus', machineCost: 6 }, { key: null }])
  })

  it('is counted as it stands there, on the day on which it stood, and not twice by a clock that was set back', () => {
    insertNode(sql(), aNode({ name: 'n1', pricePerHour: 1 }))
    insertNode(sql(), aNode({ name: 'free' }))
    expect(pricedNodes(sql()).map(({ name }) => name)).toEqual(['n1'])
    for (const hours of [0, 1, 0.5, 1, 36]) chargeMachines(sql(), T + hours * HOUR)
    expect(rowsOf(0, 'day')).toEqual([
      ['2026-03-02', 0, null, 12],
      ['2026-03-03', 0, null, 24],
    ])
    moveTimes(sql(), -DAY)
    chargeMachines(sql(), T + 13 * HOUR)
    expect(rowsOf(0)).toEqual([[null, 0, null, 37]])
  })

  it('has coarser rows for a time of months in which nothing was heard', () => {
    insertNode(sql(), aNode({ name: 'n1', pricePerHour: 1 }))
    chargeMachine(sql(), 'n1', T)
    chargeMachine(sql(), 'n1', T + 400 * DAY)
    expect(readCosts(sql(), 0)[0]?.machineCost).toBeCloseTo(400 * 24, 6)
    expect(Number(sql().one('select count(*) as count from spending')?.count)).toBeLessThan(3_100)
  })
})

it('stays when its task is removed', () => {
  insertTask(sql(), { id: 'a', spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
  spend(1)
  deleteTask(sql(), 'a')
  expect(rowsOf(0)).toEqual([[null, 1, 1, 0]])
})

it('what attempts had cost before an update is there after it', () => {
  const migration = MIGRATIONS.find(step => step.includes('create table spending')) ?? ''
  const taken = migration.slice(migration.indexOf('insert into spending'))
  for (const id of ['a', 'b', 'c']) {
    const spec = aSpec({ labels: { team: 'web' } })
    insertTask(sql(), { id, spec, idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
    insertAttempt(sql(), aTask({ id }))
  }
  const seen = readAttempt(sql(), { id: 'a', attempt: 1 })
  if (!seen) throw new Error('no attempt')
  const usage = { inputTokens: 7, outputTokens: 2, costUsd: 1.5 }
  updateAttempt(sql(), seen, { ...seen, usage, nodeName: 'n1', updatedAt: T + 1 }, T)
  // What is damaged keeps no daemon from starting.
  sql().run("update attempts set usage = '{' where task_id = 'b'")
  sql().script(taken)
  expect(readCosts(sql(), T, 'label')).toMatchObject([{ key: 'team=web', ...usage, tasks: 1 }])
})
