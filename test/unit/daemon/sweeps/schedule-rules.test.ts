/** The pure rules of schedules: which instant is due, and what an end is worth. */
import { describe, expect, it } from 'vitest'
import { instantsOf } from '../../../../daemon/sweeps/schedules/instants.ts'
import { afterEnd, dueAtOf, dueOf, outcomeOf, reasonNotTo } from '../../../../daemon/sweeps/schedules/rules.ts'

const hourly = instantsOf('0 * * * *', 'UTC')
const at = (time: string) => Date.parse(`2026-01-01T${time}Z`)
const schedule = (time: string, jitterMs = 0) => ({ id: 'a', jitterMs, plannedAt: at(time) })

describe('the instant that is due', () => {
  it('is none before its time, also when the clock was set back', () => {
    expect(dueOf(schedule('03:00:00'), hourly, at('02:59:59.999'))).toBeNull()
    expect(dueOf(schedule('03:00:00'), hourly, at('01:00:00'))).toBeNull()
  })

  it('is the latest of those that were missed, and the next is behind it', () => {
    const next = { plannedAt: at('04:00:00'), dueAt: at('04:00:00') }
    expect(dueOf(schedule('03:00:00'), hourly, at('03:00:00'))).toEqual({ plannedAt: at('03:00:00'), lateMs: 0, next })
    const late = dueOf(schedule('00:00:00'), hourly, at('03:01:00'))
    expect(late).toEqual({ plannedAt: at('03:00:00'), lateMs: 60_000, next })
    expect(dueOf(schedule('00:00:00'), hourly, at('03:00:59.999'))).toMatchObject({ lateMs: 0 })
  })

  it('is never before the planned one, whatever the pattern says of it', () => {
    expect(dueOf(schedule('03:10:00'), hourly, at('03:20:00'))).toMatchObject({ plannedAt: at('03:10:00') })
  })

  it('is the one before while the jitter of the latest is not over', () => {
    const spread = schedule('00:00:00', 50 * 60_000)
    const dueAt = dueAtOf(spread, at('03:00:00'))
    expect(dueAt).toBeGreaterThan(at('03:00:00'))
    const before = dueOf(spread, hourly, dueAt - 1)
    expect(before).toMatchObject({ plannedAt: at('02:00:00'), next: { plannedAt: at('03:00:00'), dueAt } })
    expect(dueOf(spread, hourly, dueAt)).toMatchObject({ plannedAt: at('03:00:00'), lateMs: 0 })
  })

  it('is left out when it is late and nothing is made up for', () => {
    const due = { plannedAt: 0, lateMs: 60_000, next: null }
    const skips = { catchUp: 'skip', overlap: 'skip' } as const
    expect(reasonNotTo(skips, due, [])).toContain('--catch-up skip')
    expect(reasonNotTo(skips, { ...due, lateMs: 0 }, [])).toBeNull()
    expect(reasonNotTo({ ...skips, catchUp: 'once' }, due, [])).toBeNull()
  })
})

describe('an end', () => {
  it.each([
    ['completed', null, 'good'],
    ['completed', 'green', 'good'],
    ['completed', 'merged', 'good'],
    ['completed', 'closed', 'none'],
    ['completed', 'needs_you', 'bad'],
    ['completed', 'stopped', 'bad'],
    ['failed', null, 'bad'],
    ['cancelled', null, 'none'],
  ] as const)('of a task that is %s, with a pull request that is %s, is %s', (status, pull, outcome) => {
    expect(outcomeOf({ status }, pull)).toBe(outcome)
  })

  it('goes on a streak of its kind, and begins one of the other', () => {
    const about = { keepGoing: false, untilGreen: false }
    expect(afterEnd({ ...about, streak: 2 }, 'good', 'x')).toEqual({ streak: 3, pause: null })
    expect(afterEnd({ ...about, streak: 2 }, 'bad', 'x')).toEqual({ streak: -1, pause: null })
    expect(afterEnd({ ...about, streak: -1 }, 'bad', 'x')).toEqual({ streak: -2, pause: null })
    expect(afterEnd({ ...about, streak: -2 }, 'none', 'x')).toEqual({ streak: -2, pause: null })
    expect(afterEnd({ ...about, streak: -2 }, 'bad', 'x')).toMatchObject({ streak: -3, pause: { isFailing: true } })
    expect(afterEnd({ ...about, streak: -2 }, 'good', 'x')).toEqual({ streak: 1, pause: null })
  })
})

describe('a time that the clocks leave out', () => {
  const berlin = (time: string) => Date.parse(`2026-03-29T${time}Z`)
  /** All of that day by the clocks there, which go from 2:00 to 3:00 at 1:00 of UTC. */
  function ofThatDay(cron: string, zone = 'Europe/Berlin', begin = '2026-03-28T23:00:00Z'): string[] {
    const instants = instantsOf(cron, zone)
    const end = Date.parse(begin) + 23 * 3_600_000
    const found: string[] = []
    for (let next = instants.after(Date.parse(begin) - 1); next !== null && next < end; next = instants.after(next)) {
      // Looked for from behind it is the same one.
      expect(instants.upTo(next)).toBe(next)
      expect(instants.upTo(next + 59_999)).toBe(next)
      found.push(new Date(next).toISOString().slice(11, 16))
    }
    return found
  }

  it.each([
    ['30 2 * * *', ['01:00']],
    ['0 2 * * *', ['01:00']],
    ['0,30 2 * * *', ['01:00']],
    ['30 1,2,3 * * *', ['00:30', '01:00', '01:30']],
    ['15-45/15 1-2 * * 0', ['00:15', '00:30', '00:45', '01:00']],
    ['0,30 3 * * *', ['01:00', '01:30']],
    ['0,30 2 * * 1', []],
    ['0,30 2 1 4 *', []],
  ])('comes when they have gone on, one of a list, too, and once: %s', (cron, times) => {
    expect(ofThatDay(cron)).toEqual(times)
  })

  it('is none of a pattern that goes by the time that passes', () => {
    expect(ofThatDay('30 * * * *')).toHaveLength(23)
    expect(ofThatDay('*/30 2 * * *')).toEqual([])
  })

  it('is none in a zone whose clocks stay', () => {
    expect(ofThatDay('0,30 2 * * *', 'UTC', '2026-03-29T00:00:00Z')).toEqual(['02:00', '02:30'])
  })

  it('is found from far away', () => {
    const yearly = instantsOf('0,30 2 29 3 *', 'Europe/Berlin')
    expect(yearly.after(Date.parse('2025-06-01T00:00:00Z'))).toBe(berlin('01:00:00'))
    expect(yearly.upTo(Date.parse('2026-12-01T00:00:00Z'))).toBe(berlin('01:00:00'))
  })
})

describe('a time that comes twice', () => {
  // The clocks of Berlin go from 3:00 back to 2:00 at 1:00 of UTC.
  it.each([
    ['30 2 * * *', ['00:30']],
    ['0,30 2 * * *', ['00:00', '00:30']],
    ['30 1,2,3 * * *', ['23:30', '00:30', '02:30']],
    ['0 3 * * *', ['02:00']],
    ['30 * * * *', ['22:30', '23:30', '00:30', '01:30', '02:30']],
  ])('counts once, one of a list, too: %s', (cron, times) => {
    const instants = instantsOf(cron, 'Europe/Berlin')
    const end = Date.parse('2026-10-25T03:00:00Z')
    const found: string[] = []
    for (let next = instants.after(Date.parse('2026-10-24T22:00:00Z')); next !== null && next < end; ) {
      found.push(new Date(next).toISOString().slice(11, 16))
      expect(instants.upTo(next)).toBe(next)
      const following = instants.after(next)
      expect(instants.upTo((following ?? 0) - 1)).toBe(next)
      next = following
    }
    expect(found).toEqual(times)
  })
})
