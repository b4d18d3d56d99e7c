/**
 * When the sweeps run. node-cron holds the patterns of those that run once a minute or less often; quicker ones share one
 * timer of a second. A jump of the clock sets the patterns anew: see docs/adr/0014-patterns-of-cron-for-slow-sweeps.md.
 */
import cron from 'node-cron'
import type { Cancel, Clock } from '../../src/platform/world.ts'

/** Runs `fn` at every time that the pattern names (six fields, seconds first, in UTC). Tests bring a model of it. */
export type Cron = (pattern: string, fn: () => void) => Cancel

export const nodeCron: Cron = (pattern, fn) => {
  const task = cron.schedule(pattern, fn, { timezone: 'UTC' })
  // Without a listener node-cron warns of every time that the machine slept through.
  task.on('execution:missed', () => {})
  return () => void task.destroy()
}

export interface Timed {
  name: string
  everyMs: number
}

interface TimetableParts {
  clock: Clock
  cron: Cron
  /** The sweeps and their present intervals: a changed configuration counts at once. */
  sweeps(): readonly Timed[]
  /** Begins those of the named sweeps that are due. */
  begin(names: readonly string[]): void
}

const TICK_MS = 1_000
const MINUTE_MS = 60_000
/** Between two ticks the wall clock and the clock that never jumps part by less than this, in ms. */
const JUMP_MS = 5_000
/** Minutes that divide an hour: with any other step a pattern would be uneven at its end. */
const MINUTE_STEPS = [30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1]

/** The pattern whose period is the longest that divides the interval, 30 min at most. For intervals from a minute on. */
export function patternOf(everyMs: number): string {
  const seconds = Math.floor(everyMs / 1_000)
  const step = seconds % 60 === 0 ? MINUTE_STEPS.find(minutes => (seconds / 60) % minutes === 0) : undefined
  // An interval of 90 s is looked at every half minute, one of 61 s every second: the sweeper knows what is due.
  return step === undefined ? `*/${seconds % 30 === 0 ? 30 : 1} * * * * *` : `0 */${step} * * * *`
}

export function startTimetable({ clock, cron, sweeps, begin }: TimetableParts): Cancel {
  let tasks: Cancel[] = []
  let armed = ''
  let offsetMs = clock.now() - clock.mono()
  let cancelTick: Cancel = () => {}

  function arm(rows: readonly Timed[]): void {
    for (const cancel of tasks) cancel()
    const byPattern = new Map<string, string[]>()
    for (const { name, everyMs } of rows) {
      const pattern = patternOf(everyMs)
      byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), name])
    }
    tasks = [...byPattern].map(([pattern, names]) => cron(pattern, () => begin(names)))
  }

  function tick(): void {
    const all = sweeps()
    const slow = all.filter(({ everyMs }) => everyMs >= MINUTE_MS)
    const jumped = Math.abs(clock.now() - clock.mono() - offsetMs) >= JUMP_MS
    offsetMs = clock.now() - clock.mono()
    const wanted = JSON.stringify(slow)
    if (jumped || wanted !== armed) arm(slow)
    armed = wanted
    begin(all.filter(({ everyMs }) => everyMs < MINUTE_MS).map(({ name }) => name))
    cancelTick = clock.timer(TICK_MS, tick)
  }

  tick()
  return () => {
    cancelTick()
    for (const cancel of tasks) cancel()
  }
}
