/** A sweep that stops succeeding is told of; a machine that slept is not. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startSweeps } from '../../../../daemon/sweeps/index.ts'
import { createSweeper, type Sweeper } from '../../../../daemon/sweeps/run.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
let sweeper: Sweeper
let isWell = true
let isHung = false
let begun: { mine: number; other: number }
beforeEach(async () => {
  all = await lives()
  isWell = true
  isHung = false
  begun = { mine: 0, other: 0 }
  const run = async () => {
    begun.mine += 1
    if (isHung) return new Promise<never>(() => {})
    if (!isWell) throw new Error('it hangs on something')
    return {}
  }
  const parts = { stateDir: all.out.dir, errors: { flush: async () => {} } }
  // Only what this sweep never asks for is missing.
  const other = async () => {
    begun.other += 1
    return {}
  }
  sweeper = createSweeper(all.life.engine, parts as never, [
    { name: 'mine', everyMs: () => MIN, run },
    { name: 'other', everyMs: () => MIN, run: other },
  ])
})
afterEach(() => all.end())

const alarms = () =>
  due(all.life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).filter(
    ({ payload }) => payload.code === 'SWEEP_SILENT' && String(payload.message).includes('"mine"'),
  ).length

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    sweeper.tick()
    await all.life.world.clock.advance(10_000)
  }
}

it('that fails three rounds long raises one alarm, and another after it was well in between', async () => {
  await pass(10 * MIN)
  expect(alarms()).toBe(0)
  isWell = false
  await pass(10 * MIN)
  expect(alarms()).toBe(1)
  isWell = true
  await pass(5 * MIN)
  isWell = false
  await pass(10 * MIN)
  expect(alarms()).toBe(2)
})

it('is not to blame for the hours in which the machine slept', async () => {
  await pass(5 * MIN)
  all.life.world.clock.jump(9 * HOUR)
  await pass(5 * MIN)
  expect(alarms()).toBe(0)
})

it('that hangs is begun once, raises its alarm, and keeps no other from its rounds', async () => {
  isHung = true
  await pass(20 * MIN)
  expect([begun.mine, alarms()]).toEqual([1, 1])
  expect(begun.other).toBeGreaterThanOrEqual(17)
})

it('goes on in its rhythm when the clock is set back by hours', async () => {
  await pass(5 * MIN)
  const before = begun.mine
  all.life.world.clock.jump(-9 * HOUR)
  await pass(5 * MIN)
  expect(begun.mine - before).toBeGreaterThanOrEqual(4)
})

it('is driven by the clock of the world, once a second, and not after the end', async () => {
  const { engine, world } = all.life
  const times: number[] = []
  const run = async () => {
    times.push(world.clock.mono())
    return {}
  }
  const sweeps = startSweeps(engine, { errors: { flush: async () => {} } } as never, [
    { name: 'seconds', everyMs: () => 500, run },
  ])
  await world.clock.advance(10_000)
  expect(times).toHaveLength(10)
  await sweeps.stop()
  await world.clock.advance(10_000)
  expect(times).toHaveLength(10)
})
