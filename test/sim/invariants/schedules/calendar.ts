/** When a pattern comes, found minute by minute as a person would with a clock on the wall: a reading of the rules beside that of the product. */

export interface Pattern {
  minute: number | { every: number }
  /** Null: each. */
  hour: number | null
  isWeekdays: boolean
}

export const cronOf = ({ minute, hour, isWeekdays }: Pattern): string =>
  `${typeof minute === 'number' ? minute : `*/${minute.every}`} ${hour ?? '*'} * * ${isWeekdays ? '1-5' : '*'}`

const MIN = 60_000
const QUARTER = 15 * MIN
const DAY = 24 * 60 * MIN

export interface Calendar {
  /** All instants until then, from a day before it begins; Unix ms, as all here. */
  until(at: number): readonly number[]
}

export function calendarOf(pattern: Pattern, zone: string, from: number): Calendar {
  const wall = wallOf(zone)
  const instants: number[] = []
  // The day before tells which of its times have come already.
  let at = Math.floor((from - 2 * DAY) / QUARTER) * QUARTER
  let done = ''
  const isNow = (time: Wall): boolean => {
    if (pattern.isWeekdays && (time.weekday === 'Sat' || time.weekday === 'Sun')) return false
    const { minute, hour } = pattern
    if (typeof minute !== 'number') return time.minute % minute.every === 0
    if (hour === null) return time.minute === minute
    // A time that is left out comes with the first one behind it; one that comes twice counts once.
    if (time.day === done || time.hour * 60 + time.minute < hour * 60 + minute) return false
    done = time.day
    return true
  }
  return {
    until(to) {
      for (; at <= to; at += MIN) if (isNow(wall(at)) && at >= from - DAY) instants.push(at)
      return instants
    },
  }
}

interface Wall {
  day: string
  weekday: string
  hour: number
  minute: number
}

/** What a clock on the wall shows; it is changed by quarters of an hour alone. */
function wallOf(zone: string): (at: number) => Wall {
  const options = { day: '2-digit', month: '2-digit', weekday: 'short', hour: '2-digit', minute: '2-digit' } as const
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options })
  let quarter = Number.NaN
  let read: Wall = { day: '', weekday: '', hour: 0, minute: 0 }
  return at => {
    const begin = Math.floor(at / QUARTER) * QUARTER
    if (begin !== quarter) {
      quarter = begin
      const parts = new Map(format.formatToParts(begin).map(({ type, value }) => [type, value]))
      const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
      read = {
        day: `${of('month')}-${of('day')}`,
        weekday: of('weekday'),
        hour: Number(of('hour')),
        minute: Number(of('minute')),
      }
    }
    return { ...read, minute: read.minute + (at - begin) / MIN }
  }
}
