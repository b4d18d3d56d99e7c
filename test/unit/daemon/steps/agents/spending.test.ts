/** What is on record of an attempt is what its agent said that it used, whatever happens on the way. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readCosts } from '../../../../../src/store/spending/costs.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
beforeEach(async () => {
  out = outside({ config: aConfig({ nodes: { maxWorkspaces: 4 } }) })
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const usage = (costUsd: number | null) => ({ inputTokens: 1_000, outputTokens: 100, costUsd })
const submit = (script: Script, labels: Record<string, string> = {}) =>
  life.submit({ agent: { ...aSpec({}, script).agent, name: 'claude', type: 'claude' }, labels }, script)
const isOver = async (id: string) => expect(await life.world.run(() => life.task(id).step === null)).toBe(true)
const costs = (by?: Parameters<typeof readCosts>[2]) => readCosts(life.engine.store.sql, 0, by)

it('a report that comes again adds nothing, and a retry and a daemon that was killed no more than was used', async () => {
  const id = await submit({
    ms: 600_000,
    busy: true,
    commits: 1,
    says: { outcome: 'success', usage: usage(0.25), model: 'm' },
  })
  await life.world.run(() => life.task(id).usage !== null)
  expect(costs()).toMatchObject([usage(0.25)])
  life.kill()
  life = await live(out)
  await isOver(id)
  expect(costs()).toMatchObject([{ tasks: 1, ...usage(0.25) }])
  await life.engine.start(id, 2)
  await isOver(id)
  expect(costs('model')).toMatchObject([{ key: 'm', tasks: 1, inputTokens: 2_000, costUsd: 0.5 }])
  expect(costs('node')).toMatchObject([{ key: 'n1', costUsd: 0.5 }])
})

it('a task that rests for a usage limit is counted once, with both of its sessions', async () => {
  const done = { commits: 1, says: { outcome: 'success' as const, usage: usage(1) } }
  const id = await submit(
    { limitMs: 3_600_000, says: { usage: usage(0.5), resumeRef: 'r' }, resumed: done },
    { team: 'web' },
  )
  await isOver(id)
  expect(life.task(id)).toMatchObject({ status: 'completed', usage: { costUsd: 1.5 } })
  expect(costs('label')).toMatchObject([{ key: 'team=web', tasks: 1, costUsd: 1.5, inputTokens: 2_000 }])
  expect(costs('day')).toMatchObject([{ costUsd: 1.5 }])
})

it('nothing is written where nobody says what was used', async () => {
  await isOver(await life.submit())
  const { sql } = life.engine.store
  expect(sql.one('select count(*) as count from spending')).toEqual({ count: 0 })
})

it('a machine that was ordered is on record from its price on, and to the end of the hour in which it goes', async () => {
  life.kill()
  out.remove()
  out = outside({ nodes: [], hetzner: true })
  life = await live(out)
  await isOver(await submit({ ms: 60_000, commits: 1, says: { outcome: 'success' } }, { team: 'web' }))
  await life.world.run(
    () => life.engine.store.sql.one("select 1 as gone from nodes where status = 'destroyed'") !== undefined,
  )
  const [node] = life.engine.store.sql.all('select price_per_hour, paid_from, paid_until from nodes')
  const hours = (Number(node?.paid_until) - Number(node?.paid_from)) / 3_600_000
  expect(hours).toBe(1)
  const [all] = costs()
  expect(all?.machineCost).toBeCloseTo(Number(node?.price_per_hour), 9)
  const byLabel = costs('label')
  expect(byLabel.map(({ key }) => key)).toEqual(['team=web', null])
  expect(byLabel.reduce((sum, { machineCost }) => sum + machineCost, 0)).toBeCloseTo(all?.machineCost ?? 0, 9)
})
