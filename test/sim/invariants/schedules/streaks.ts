/** What the ends of a schedule's tasks are worth: each is counted once, and what its rules say pauses it, and nothing else does. */
import { scheduleNamed } from '../../../../src/store/groups/schedules.ts'
import type { ReadTask } from '../../../../src/store/tables/attempts.ts'
import type { Check, Seen } from '../../seen.ts'
import type { KnownSchedule } from './memory.ts'
import { standing } from './schedules.ts'

const BAD_ENDS_MAX = 3

export const streakInvariants: Record<string, Check> = {
  'every end of a schedule is counted once': seen => {
    const hasLooked = (seen.sim.out.looks ?? []).slice(seen.sim.schedules.looks).some(({ world }) => !world.isDead())
    return standing(seen).flatMap(({ one, row, runs }) => {
      const ends = runs.filter(
        ({ outcome, plannedAt, taskId }) => taskId !== null && outcome !== null && !one.counted.has(plannedAt),
      )
      for (const { plannedAt } of ends) one.counted.add(plannedAt)
      const wrong = ends.filter(({ taskId, outcome }) => outcome !== worthOf(newest(seen, taskId)))
      const late = hasLooked ? runs.filter(({ plannedAt, outcome }) => outcome === null && one.over.has(plannedAt)) : []
      one.over = new Set(
        runs
          .filter(({ taskId, outcome }) => outcome === null && newest(seen, taskId)?.step === null)
          .map(({ plannedAt }) => plannedAt),
      )
      const count = (worth: string) => ends.filter(({ outcome }) => outcome === worth).length
      const reach = streaksAfter(one.streak, count('good'), count('bad'))
      const stood = judgeState(one, row.state, {
        good: count('good'),
        worst: Math.min(one.streak - count('bad'), -count('bad')),
        streak: row.streak,
      })
      one.streak = row.streak
      return [
        ...wrong.map(({ taskId, outcome }) => `the end of ${taskId} is ${outcome}`),
        ...late.map(({ taskId }) => `the end of ${taskId} is not counted`),
        ...(reach.has(row.streak)
          ? []
          : [`the streak of ${one.name} is ${row.streak}, and not ${[...reach].join(' or ')}`]),
        ...stood,
      ].map(what => `${one.name}: ${what}`)
    })
  },

  'a schedule is there until it is removed': ({ sim, sql, now }) =>
    [...sim.schedules.known.values()].flatMap(one => {
      const row = scheduleNamed(sql, one.name)
      if (one.state !== 'unsure')
        return (row !== undefined) === (one.state !== 'gone') ? [] : [`${one.name} should be ${one.state}`]
      one.state = row?.state ?? 'gone'
      one.pausedAt = one.state === 'active' ? Number.POSITIVE_INFINITY : now
      one.streak = row?.streak ?? 0
      return []
    }),
}

interface Ends {
  good: number
  /** The lowest that the streak can have been. */
  worst: number
  streak: number
}

function judgeState(one: KnownSchedule, state: 'active' | 'paused', { good, worst, streak }: Ends): string[] {
  if (one.state === 'paused') return state === 'paused' ? [] : ['it goes on, and nobody has resumed it']
  const isDone = one.untilGreen && good > 0
  if (state === 'active') {
    const isFailing = !one.keepGoing && streak <= -BAD_ENDS_MAX
    return isDone || isFailing ? [`it goes on with a streak of ${streak}`] : []
  }
  one.state = 'paused'
  one.pausedAt = Number.NEGATIVE_INFINITY
  return isDone || (!one.keepGoing && worst <= -BAD_ENDS_MAX) ? [] : ['nobody has paused it']
}

const newest = ({ attempts }: Seen, id: string | null): ReadTask | undefined =>
  attempts.findLast(task => task.id === id)

function worthOf(task: ReadTask | undefined): string {
  if (task?.status === 'completed') return 'good'
  return task?.status === 'failed' ? 'bad' : 'none'
}

/** Where so many ends can have led to: nobody knows their order. */
function streaksAfter(streak: number, good: number, bad: number): Set<number> {
  if (good + bad === 0) return new Set([streak])
  const up = good > 0 ? streaksAfter(streak > 0 ? streak + 1 : 1, good - 1, bad) : []
  const down = bad > 0 ? streaksAfter(streak < 0 ? streak - 1 : -1, good, bad - 1) : []
  return new Set([...up, ...down])
}
