/** What `submit --dry-run` and `why` foresee: where a task would go, what that costs, and when. */
import { afterEach, describe, expect, it } from 'vitest'
import { forecast, queueMs, usualMs } from '../../../../daemon/placement/forecast.ts'
import type { TaskSpec } from '../../../../src/core/task.ts'
import { aSpec } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const nothing = { node: null, provider: null, size: null, location: null, pricePerHour: null, why: null }
const foresee = (change = {}) => forecast(all.life.engine, aSpec(change))
const sql = () => all.life.engine.store.sql

describe('a task that is not submitted yet', () => {
  it('would go to a node that serves', async () => {
    all = await lives()
    await all.until(() => false, MIN)
    expect(foresee()).toEqual({ ...nothing, how: 'warm', node: 'n1' })
    sql().run('update nodes set price_per_hour = 0.5')
    expect(foresee()).toEqual({ ...nothing, how: 'warm', node: 'n1', pricePerHour: 0.5 })
  })

  it('would wait for a node that is coming', async () => {
    all = await lives()
    await all.until(() => false, MIN)
    sql().run("update nodes set status = 'booting'")
    expect(foresee()).toEqual({ ...nothing, how: 'coming', node: 'n1' })
  })

  it('would have a machine ordered, at the price of the last one of its kind', async () => {
    all = await lives({ nodes: [], cloud: true })
    const ordered = { ...nothing, how: 'ordered', provider: 'hetzner', size: 'medium', location: 'nbg1' }
    expect(foresee({ size: 'medium', location: 'nbg1' })).toEqual(ordered)
    await all.submit({ size: 'medium' })
    expect(await all.rest()).toBe(true)
    sql().run("update nodes set status = 'destroyed', wake_at = null, price_per_hour = 0.25")
    expect(foresee({ size: 'medium', location: 'nbg1' })).toEqual({ ...ordered, pricePerHour: 0.25 })
    expect(foresee({ size: 'large', location: 'nbg1' })).toEqual({ ...ordered, size: 'large' })
    sql().run("update nodes set price_per_hour = 9, size = 'large', provider = 'static'")
    expect(foresee({ size: 'large', location: 'nbg1' })).toEqual({ ...ordered, size: 'large' })
    sql().run("update nodes set price_per_hour = null, size = 'medium', provider = 'hetzner'")
    expect(foresee({ size: 'medium', location: 'nbg1' })).toEqual(ordered)
  })

  it('would wait in the queue, and each node says why', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    await all.until(() => false, MIN)
    sql().run("update nodes set status = 'draining' where name = 'n1'")
    const why = 'n1: it is draining; n2: the task asked for node n1'
    expect(foresee({ node: 'n1' })).toEqual({ ...nothing, how: 'queued', why })
  })

  it('would wait for a node where there is none', async () => {
    all = await lives({ nodes: [] })
    expect(foresee()).toEqual({ ...nothing, how: 'queued', why: 'there is no node' })
  })

  it('counts the machines that there are against what may be ordered', async () => {
    all = await lives({ nodes: [], cloud: true })
    const { nodes } = all.life.engine.config
    nodes.maxNodes = 1
    await all.submit({ size: 'small' })
    await all.rest()
    expect(foresee({ size: 'large' })).toMatchObject({ how: 'queued' })
    nodes.maxNodes = 2
    expect(foresee({ size: 'large' })).toMatchObject({ how: 'ordered' })
  })
})

describe('the usual time of a step', () => {
  /** Tasks of this agent and repository have taken so long. */
  async function took(spec: TaskSpec, ...times: number[]): Promise<void> {
    const { store, world } = all.life.engine
    const taskId = await all.submit(
      spec,
      { hangs: true },
      `past-${times.length}-${times[0]}-${spec.agent.name}-${spec.repo.url.length}`,
    )
    await store.commit(() => {
      for (const ms of times) {
        const data = { from: 'running', to: 'salvage', ms }
        store.append({ type: 'task.step', taskId, attempt: 1, data }, world.clock.now())
      }
    })
  }
  const mine = aSpec()
  const another = aSpec({ agent: { ...mine.agent, name: 'other' } })
  const elsewhere = aSpec({ repo: { ...mine.repo, url: 'https://example.org/other.git' } })

  it('is the middle one of the last fifty, and unknown while there are less than five', async () => {
    all = await lives()
    await took(mine, 30, 1, 200, 40)
    expect(usualMs(sql(), 'running', mine)).toBeNull()
    expect(queueMs(sql(), mine, 1, 1)).toBeNull()
    await took(mine, 10)
    expect(usualMs(sql(), 'running', mine)).toBe(30)
    expect(usualMs(sql(), 'salvage', mine)).toBeNull()
    await took(mine, ...Array.from({ length: 50 }, () => 7))
    expect(usualMs(sql(), 'running', mine)).toBe(7)
  })

  it('is that of the same agent and the same repository: what others took says nothing', async () => {
    all = await lives()
    await took(another, ...Array.from({ length: 9 }, () => HOUR))
    await took(elsewhere, ...Array.from({ length: 9 }, () => HOUR))
    await took(mine, 1, 1, 1, 1)
    expect(usualMs(sql(), 'running', mine)).toBeNull()
    await took(mine, 1)
    expect(usualMs(sql(), 'running', mine)).toBe(1)
    expect(usualMs(sql(), 'running', another)).toBe(HOUR)
  })

  it('gives the time to a slot: one run for each round of slots that comes before', async () => {
    all = await lives()
    await took(mine, HOUR, HOUR, HOUR, HOUR, HOUR)
    const times = [1, 2, 3, 4, 5].map(position => queueMs(sql(), mine, position, 2))
    expect(times).toEqual([1, 1, 2, 2, 3].map(n => n * HOUR))
    expect(queueMs(sql(), mine, 1, 0)).toBeNull()
  })
})
