/** How long nothing may happen before a command is ended, under a clock of the test's own. */
import { describe, expect, it } from 'vitest'
import { startWatchdog, type WatchdogOptions } from '../../../../src/agent/sessions/runner/watchdog.ts'
import { simWorld, timeline } from '../../../fakes/world.ts'

const MIN = 60_000

function watched(change: Partial<WatchdogOptions> = {}) {
  const time = timeline()
  const world = simWorld(time)
  let ends = 0
  const watchdog = startWatchdog(world, {
    ...{ timeoutMs: null, idleMs: 20 * MIN },
    ...{ lastByteMs: () => Number.NEGATIVE_INFINITY, cpuMs: () => 0, isAsking: () => false },
    terminate: () => {
      ends += 1
    },
    ...change,
  })
  return { time, clock: world.clock, watchdog, ends: () => ends }
}

describe('a command', () => {
  it('that neither writes nor uses the processor is ended, once', async () => {
    const { clock, watchdog, ends } = watched()
    await clock.advance(19 * MIN)
    expect([watchdog.reason(), ends()]).toEqual([null, 0])
    await clock.advance(60 * MIN)
    expect([watchdog.reason(), ends()]).toEqual(['idle', 1])
  })

  it.each([
    ['writes', (now: () => number) => ({ lastByteMs: now })],
    ['uses the processor', (now: () => number) => ({ cpuMs: now })],
    ['waits for an answer', () => ({ isAsking: () => true })],
  ])('that %s goes on', async (_, change) => {
    let now = () => 0
    const { clock, watchdog } = watched(change(() => now()))
    now = clock.mono
    await clock.advance(5 * 60 * MIN)
    expect(watchdog.reason()).toBe(null)
  })

  it('is not blamed for the time in which its machine stood still', async () => {
    const { time, clock, watchdog } = watched()
    await clock.advance(15 * MIN)
    // Everything is frozen, and no timer fires; then all go on at once.
    time.now += 60 * MIN
    await clock.advance(15 * MIN)
    expect(watchdog.reason()).toBe(null)
    await clock.advance(10 * MIN)
    expect(watchdog.reason()).toBe('idle')
  })

  it('is ended at its time limit, whatever it does', async () => {
    const { clock, watchdog } = watched({ timeoutMs: MIN, isAsking: () => true })
    await clock.advance(2 * MIN)
    expect(watchdog.reason()).toBe('timeout')
  })

  it('that has ended is not watched any more', async () => {
    const { clock, watchdog, ends } = watched({ timeoutMs: MIN })
    watchdog.stop()
    await clock.advance(60 * MIN)
    expect([watchdog.reason(), ends()]).toEqual([null, 0])
  })
})
