/** Tasks whose repository the daemon fetches: no slot, no machine and no order before it is here. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TdfError } from '../../../../src/core/errors.ts'
import type { SourceFacts } from '../../../../src/core/task.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
import { fakeSources } from '../../../fakes/results/results.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const HERE: SourceFacts = { commit: '1'.repeat(40), ref: 'refs/heads/main', sha256: 'b'.repeat(64), bytes: 1 }

let out: Outside
let life: Life
let source: SourceFacts | null
let asked: number
let left: string[]

beforeEach(async () => {
  out = outside({ nodes: [], cloud: true, config: aConfig({ repositories: { fetch: 'daemon', tokens: {} } }) })
  source = null
  asked = 0
  left = []
  out.sources = {
    ...fakeSources(),
    fetched() {
      asked += 1
      return source
    },
    progress: () => null,
    leave: ({ id }) => void left.push(id),
  }
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const machines = () => readNodes(life.engine.store.sql).length

it('orders no machine while the repository is being fetched, and goes on once it is here', async () => {
  const id = await life.submit()
  await life.world.clock.advance(10 * 60_000)
  expect(machines()).toBe(0)
  expect(life.task(id)).toMatchObject({ status: 'queued', step: 'node_selection' })
  expect(life.engine.queue.has({ id, attempt: 1 })).toBe(false)
  source = HERE
  await life.world.run(() => life.task(id).step === null)
  expect(life.task(id)).toMatchObject({ status: 'completed', facts: { source: HERE } })
  expect(machines()).toBe(1)
  expect(left).toEqual([id])
})

describe('a server that is down', () => {
  const DOWN = 'https://example.org/repo.git cannot be reached: no route'
  let isDown: boolean
  let denies: boolean
  beforeEach(() => {
    isDown = true
    denies = false
    out.sources.fetched = () => {
      asked += 1
      if (denies) throw new TdfError('SOURCE_DENIED', 'it cannot be read')
      if (isDown) throw new TdfError('SOURCE_UNAVAILABLE', DOWN)
      return HERE
    }
  })

  it('is asked ever more seldom for two hours, and the task goes on when it is back', async () => {
    const id = await life.submit()
    const since = new Date(life.task(id).stepEnteredAt).toISOString()
    await life.world.clock.advance(2 * 3_600_000)
    expect(life.task(id)).toMatchObject({ status: 'queued', step: 'node_selection', attempt: 1 })
    expect(asked).toBeLessThan(80)
    const { waitingFor, wakeAt } = life.task(id)
    expect(waitingFor).toBe(`another try; ${asked} failed since ${since}, the last one so: ${DOWN}`)
    const now = life.world.clock.now()
    expect(wakeAt).toBeGreaterThan(now)
    expect(wakeAt).toBeLessThanOrEqual(now + 5 * 60_000)
    expect(machines()).toBe(0)
    isDown = false
    await life.world.run(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  it('ends the task at queue_timeout, in its own words', async () => {
    const id = await life.submit()
    await life.world.clock.advance(life.engine.config.runner.queueTimeout + 10 * 60_000)
    expect(life.task(id)).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
    expect(life.task(id).error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining(DOWN) })
  })

  it('that hangs at the last moment hides nothing of what it did before', async () => {
    const id = await life.submit()
    await life.world.run(() => asked > 3)
    out.sources.fetched = () => null
    await life.world.clock.advance(life.engine.config.runner.queueTimeout)
    const { error } = life.task(id)
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringMatching(/\(try \d+ since 20/) })
  })

  it('and says no when it is back ends the task at once', async () => {
    const id = await life.submit()
    await life.world.clock.advance(3_600_000)
    denies = true
    await life.world.run(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'failed', error: { code: 'SOURCE_DENIED' } })
  })
})

it('is asked for at once by the next daemon, and its task is in no queue before', async () => {
  const id = await life.submit()
  await life.world.run(() => asked > 0)
  life.kill()
  const before = asked
  life = await live(out)
  await life.world.clock.advance(1_000)
  expect(asked).toBe(before + 1)
  expect(life.engine.queue.has({ id, attempt: 1 })).toBe(false)
})

it('is waited for no more by a task that is cancelled', async () => {
  const id = await life.submit()
  await life.world.run(() => asked > 0)
  await life.engine.signal({ kind: 'cancel', taskId: id })
  await life.world.run(() => life.task(id).step === null)
  expect(life.task(id)).toMatchObject({ status: 'cancelled', facts: { source: null } })
  expect(left).toEqual([id])
})

it('is fetched anew for the next attempt, but not for one that goes on from saved work', async () => {
  source = HERE
  const id = await life.submit({}, { commits: 1, exitCode: 1 })
  await life.world.run(() => life.task(id).step === null)
  const before = asked
  await life.engine.start(id, 2)
  await life.world.run(() => life.task(id).step === null)
  expect(asked).toBeGreaterThan(before)
  const after = asked
  await life.engine.start(id, 3, { resume: true })
  await life.world.run(() => life.task(id).step === null)
  expect(asked).toBe(after)
  expect(life.task(id).facts.source).toBeUndefined()
})
