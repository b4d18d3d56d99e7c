/** The loop by itself, over a simulated clock: each subject runs once at a time, and no wake is lost. */
import { expect, it } from 'vitest'
import { createLoop } from '../../../../daemon/engine/loop.ts'
import { silentLog } from '../../../../src/platform/log.ts'
import { simWorld, timeline } from '../../../fakes/world.ts'

const SUBJECT = 'node:n1'

/** A loop whose runs last until they are ended by hand. */
function begin(onGap: (gapMs: number) => Promise<void> = async () => {}) {
  const world = simWorld(timeline())
  const runs: { end(error?: Error): void; signal: AbortSignal }[] = []
  const loop = createLoop({
    world,
    log: silentLog,
    run: (_subject, interruption) =>
      new Promise((resolve, reject) => {
        runs.push({ end: error => (error ? reject(error) : resolve()), signal: interruption.signal })
      }),
    onGap,
  })
  loop.start()
  return { world, loop, runs, now: () => world.clock.now() }
}

it('runs a subject again that was woken during its run, when that run has ended', async () => {
  const { world, loop, runs, now } = begin()
  loop.schedule(SUBJECT, now())
  await world.settle()
  loop.schedule(SUBJECT, now())
  await world.settle()
  expect(runs).toHaveLength(1)
  runs[0]?.end()
  await world.settle()
  expect(runs).toHaveLength(2)
  runs[1]?.end()
  await world.clock.advance(120_000)
  expect(runs).toHaveLength(2)
})

it('tries a run that threw again after a while', async () => {
  const { world, loop, runs, now } = begin()
  loop.schedule(SUBJECT, now())
  await world.settle()
  runs[0]?.end(new Error('a bug'))
  await world.settle()
  expect(runs).toHaveLength(1)
  await world.clock.advance(10_000)
  expect(runs).toHaveLength(2)
})

it('asks again when the deadlines could not be moved, and runs nothing before they were', async () => {
  const gaps: number[] = []
  const { world, loop, runs, now } = begin(async gapMs => {
    gaps.push(gapMs)
    if (gaps.length < 3) throw new Error('the disk is full')
  })
  loop.schedule(SUBJECT, now() + 30_000)
  await world.settle()
  world.clock.jump(3_600_000)
  await world.clock.advance(36_000)
  expect([gaps.length, runs.length]).toEqual([2, 0])
  await world.clock.advance(10_000)
  expect(gaps).toEqual([3_600_000, 3_600_000, 3_600_000])
  expect(runs).toHaveLength(1)
})

it('interrupts what is under way when it stops, and waits for its end', async () => {
  const { world, loop, runs, now } = begin()
  loop.schedule(SUBJECT, now())
  await world.settle()
  let isStopped = false
  void loop.stop().then(() => (isStopped = true))
  await world.settle()
  expect([runs[0]?.signal.aborted, isStopped]).toEqual([true, false])
  runs[0]?.end()
  await world.settle()
  expect(isStopped).toBe(true)
  loop.schedule(SUBJECT, now())
  await world.clock.advance(120_000)
  expect(runs).toHaveLength(1)
})

it('lets a subject be moved from outside only while it does not run and no jump of the clock is left to take in', async () => {
  let isMoved = false
  const { world, loop, runs, now } = begin(async () => {
    if (!isMoved) throw new Error('the disk is full')
  })
  expect([loop.knows(SUBJECT), loop.isFree(SUBJECT), loop.earliest()]).toEqual([false, true, null])
  loop.schedule(SUBJECT, now() + 5_000)
  await world.settle()
  expect([loop.knows(SUBJECT), loop.isFree(SUBJECT), loop.busy()]).toEqual([true, true, 0])
  expect(loop.earliest()).toBe(now() + 5_000)
  await world.clock.advance(5_000)
  expect([loop.knows(SUBJECT), loop.isFree(SUBJECT), loop.busy()]).toEqual([true, false, 1])
  expect([loop.isFree('node:n2'), loop.earliest()]).toEqual([true, null])
  loop.interrupt('node:n2', new Error('nobody'))
  expect(runs[0]?.signal.aborted).toBe(false)
  loop.interrupt(SUBJECT, new Error('cancelled'))
  expect(runs[0]?.signal.aborted).toBe(true)
  runs[0]?.end()
  await world.settle()
  expect([loop.knows(SUBJECT), loop.isFree(SUBJECT), loop.busy()]).toEqual([false, true, 0])
  // The least that is a jump.
  world.clock.jump(10_000)
  expect(loop.isFree(SUBJECT)).toBe(false)
  loop.tick()
  await world.settle()
  expect([loop.isFree(SUBJECT), loop.epochAt()]).toEqual([false, now()])
  isMoved = true
  await world.clock.advance(6_000)
  expect(loop.isFree(SUBJECT)).toBe(true)
})

it('asks for no deadlines to be moved once it has stopped', async () => {
  const gaps: number[] = []
  const { world, loop } = begin(async gapMs => {
    gaps.push(gapMs)
    throw new Error('the disk is full')
  })
  expect(loop.lagMs()).toBe(0)
  world.clock.jump(3_600_000)
  loop.tick()
  await loop.stop()
  await world.clock.advance(60_000)
  expect(gaps).toEqual([3_600_000])
})
