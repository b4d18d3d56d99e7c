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
