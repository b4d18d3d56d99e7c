/**
 * What a change of the clocks does to the times of a pattern. croner puts a single time that is left out to when the clocks have gone
 * on, and counts a single one that comes twice once; of a list of minutes or hours it forgets the first and counts the other twice
 * (croner 11, measured with `0,30 2 * * *` in Europe/Berlin on 2026-03-29 and 2026-10-25).
 */
import { Cron } from 'croner'

const DAY_MS = 86_400_000

/** All moments in Unix ms. */
export interface ClockChanges {
  /** The first moment behind `from` and before `to` at which the clocks go on over a time of the pattern. */
  firstLeap(from: number, to: number): number | null
  /** The last such moment behind `from`, up to `to`. */
  lastLeap(from: number, to: number): number | null
  /** Whether the clocks have shown the time of this moment before, on that day. */
  isSecond(at: number): boolean
}

/** A pattern with `*` in minute or hour goes by the time that passes, and so does `@hourly`: no change is one for it. */
export function clockChangesOf(cron: string, zone: string): ClockChanges {
  const [minute = '', hour = ''] = cron.trim().split(/\s+/)
  if (`${minute}${hour}`.includes('*') || minute === '@hourly') {
    return { firstLeap: () => null, lastLeap: () => null, isSecond: () => false }
  }
  const offset = offsetsOf(zone)
  // A clock on the wall, as if it were that of UTC.
  const wall = new Cron(cron, { timezone: 'UTC', mode: '5-part' })
  const isMeant = (at: number) => {
    const [begin, end] = [at + offset(at - 1), at + offset(at)]
    const next = wall.nextRun(new Date(begin - 1))?.getTime()
    return next !== undefined && next < end
  }
  /** The moment in (from, to] at which the clocks go on, if there is one; `to` is at most a day later. */
  const leapIn = (from: number, to: number) => {
    if (offset(to) <= offset(from)) return null
    let [before, after] = [from, to]
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (offset(middle) > offset(from)) after = middle
      else before = middle
    }
    return isMeant(after) ? after : null
  }
  return {
    firstLeap(from, to) {
      for (let day = from; day < to; day += DAY_MS) {
        const leap = leapIn(day, Math.min(day + DAY_MS, to))
        if (leap !== null && leap < to) return leap
      }
      return null
    },
    lastLeap(from, to) {
      for (let day = to; day > from; day -= DAY_MS) {
        const leap = leapIn(Math.max(day - DAY_MS, from), day)
        if (leap !== null) return leap
      }
      return null
    },
    isSecond(at) {
      const [before, now] = [offset(at - DAY_MS), offset(at)]
      return before > now && offset(at + now - before) === before
    },
  }
}

/** How far the clocks of a zone are before UTC at a moment, in ms. */
function offsetsOf(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en', {
    ...{ timeZone: zone, hourCycle: 'h23' },
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })
  return at => {
    const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000
  }
}
