/** A sweep that stops succeeding is told of; a machine that slept is not. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startSweeps } from '../../../../daemon/sweeps/index.ts'
import { createSweeper, type Sweeper } from '../../../../daemon/sweeps/run.ts'
import { type Cron, nodeCron, patternOf } from '../../../../daemon/sweeps/timetable.ts'
import type { World } from '../../../../src/platform/world.ts'
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

/** A model of node-cron over the clock of the test: patterns of whole minutes. */
function cronOver({ clock }: World): { cron: Cron; patterns: string[] } {
  const patterns: string[] = []
  const cron: Cron = (pattern, fn) => {
    patterns.push(pattern)
    const everyMs = Number(/^0 \*\/(\d+) /.exec(pattern)?.[1]) * MIN
    let cancel = () => {}
    const arm = () => {
      cancel = clock.timer(everyMs - (clock.now() % everyMs), () => {
        fn()
        arm()
      })
    }
    arm()
    return () => cancel()
  }
  return { cron, patterns }
}

it('that is quick is begun once a second, a slow one by its pattern, and neither after the end', async () => {
  const { engine, world } = all.life
  const times: Record<string, number[]> = { quick: [], slow: [] }
  const sweep = (name: string, everyMs: number) => ({
    name,
    everyMs: () => everyMs,
    run: async () => {
      times[name]?.push(world.clock.mono())
      return {}
    },
  })
  const { cron, patterns } = cronOver(world)
  const parts = { errors: { flush: async () => {} } } as never
  const sweeps = startSweeps(engine, parts, [sweep('quick', 500), sweep('slow', 7 * MIN)], cron)
  expect(patterns).toContain('0 */1 * * * *')
  await world.clock.advance(30 * MIN)
  expect(times.quick?.length).toBeGreaterThanOrEqual(29 * 60)
  expect(times.slow).toHaveLength(4)
  const armed = patterns.length
  world.clock.jump(-9 * HOUR)
  await world.clock.advance(15 * MIN)
  expect(times.slow).toHaveLength(6)
  expect(patterns.length).toBe(2 * armed)
  for (const [jumpMs, times] of [
    [4_999, 2],
    [5_000, 3],
  ] as const) {
    world.clock.jump(jumpMs)
    await world.clock.advance(2_000)
    expect(patterns.length).toBe(times * armed)
  }
  await sweeps.stop()
  const before = JSON.stringify(times)
  await world.clock.advance(30 * MIN)
  expect(JSON.stringify(times)).toBe(before)
})

it.each([
  [MIN, '0 */1 * * * *'],
  [5 * MIN, '0 */5 * * * *'],
  [7 * MIN, '0 */1 * * * *'],
  [24 * HOUR, '0 */30 * * * *'],
  [90_000, '*/30 * * * * *'],
  [61_000, '*/1 * * * * *'],
])('every %i ms has a pattern that node-cron takes', (everyMs, pattern) => {
  expect(patternOf(everyMs)).toBe(pattern)
  const cancel = nodeCron(pattern, () => {})
  cancel()
})
