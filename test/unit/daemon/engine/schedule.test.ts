/** What is due, earliest first: beside a plain map, over any row of changes. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createAlarm, createSchedule } from '../../../../daemon/engine/schedule.ts'

const SUBJECTS = ['a', 'b', 'c', 'd', 'e', 'f']
const change = fc.record({ subject: fc.constantFrom(...SUBJECTS), at: fc.option(fc.nat(20)) })

it('takes out what is due and nothing else, as a map that is sorted would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(change), fc.nat(20), fc.nat(4))), rounds => {
      const schedule = createSchedule()
      const model = new Map<string, number>()
      for (const [changes, now, max] of rounds) {
        for (const { subject, at } of changes) {
          schedule.set(subject, at)
          if (at === null) model.delete(subject)
          else model.set(subject, at)
        }
        expect(schedule.earliest()).toBe(model.size === 0 ? null : Math.min(...model.values()))
        const due = [...model].filter(([, at]) => at <= now)
        const taken = schedule.take(now, max)
        expect(taken).toHaveLength(Math.min(max, due.length))
        const times = taken.map(subject => model.get(subject) ?? Number.NaN)
        expect(times).toEqual([...due.map(([, at]) => at)].sort((a, b) => a - b).slice(0, max))
        for (const subject of taken) model.delete(subject)
        for (const subject of SUBJECTS) expect(schedule.at(subject)).toBe(model.get(subject))
      }
    }),
  )
})

it('keeps no more entries than twice its subjects and a few, however often a wake far away is pulled nearer', () => {
  const schedule = createSchedule()
  const day = 86_400_000
  for (let round = 0; round < 20_000; round++) {
    schedule.set('a', day + round)
    schedule.set('a', 0)
    expect(schedule.take(1, 1)).toEqual(['a'])
    schedule.set('b', 2 * day - round)
  }
  expect(schedule.entries()).toBeLessThan(300)
  expect(schedule.take(3 * day, 9)).toEqual(['b'])
})

it('is not made anew while half of it and a few more are stale', () => {
  const schedule = createSchedule()
  const subjects = Array.from({ length: 300 }, (_, index) => `subject ${index}`)
  for (const subject of subjects) schedule.set(subject, 2)
  for (const subject of subjects) schedule.set(subject, 1)
  expect(schedule.entries()).toBe(600)
})

it('sets one timer, to the earliest time that is asked for, and knows how late that one is', () => {
  let mono = 1_000
  const timers: { ms: number; ring: () => void; isCancelled: boolean }[] = []
  const lags: number[] = []
  const clock = {
    mono: () => mono,
    timer(ms: number, ring: () => void) {
      const timer = { ms, ring, isCancelled: false }
      timers.push(timer)
      return () => {
        timer.isCancelled = true
      }
    },
  }
  const alarm = createAlarm(clock as never, () => void lags.push(alarm.lateMs()))
  const set = () => timers.map(({ ms, isCancelled }) => [ms, isCancelled])
  expect(alarm.lateMs()).toBe(0)
  alarm.set(100)
  alarm.set(100)
  alarm.set(200)
  expect([set(), alarm.lateMs()]).toEqual([[[100, false]], 0])
  alarm.set(50)
  expect(set()).toEqual([
    [100, true],
    [50, false],
  ])
  mono += 80
  timers[1]?.ring()
  expect([lags, alarm.lateMs()]).toEqual([[30], 0])
  alarm.set(500)
  expect(set()).toHaveLength(3)
  alarm.drop()
  expect(set().at(-1)).toEqual([500, true])
})
