/** Schedules: an instant makes one task at most, and one where the rules say so, whatever happened to daemon and clock meanwhile. */
import { awaitedBy } from '../../../../src/core/facts.ts'
import { isTerminal, type Status } from '../../../../src/core/task.ts'
import { runsOf, type ScheduleRun, scheduleNamed } from '../../../../src/store/groups/schedules.ts'
import { readNewestEvents } from '../../../../src/store/tables/journal.ts'
import { type Check, describe, type Seen } from '../../seen.ts'
import type { KnownSchedule, MadeTask } from './memory.ts'
import { streakInvariants } from './streaks.ts'

const MIN = 60_000
/** A task that comes so much later than planned is late. */
const LATE_MS = MIN
/** So many late ones begin in a minute. */
const LATE_MAX = 3
/** By then those that come late have had their turn, however many they are here. */
const PATIENCE_MS = 4 * MIN
const ALL = 10_000

export const scheduleInvariants: Record<string, Check> = {
  'a planned instant makes one task at most': seen => {
    const found = fresh(seen).map(task => {
      const { made } = seen.sim.schedules
      const twin = [...made.values()].find(
        ({ schedule, planned }) => schedule === task.schedule && planned === task.planned,
      )
      made.set(task.id, task)
      seen.sim.acknowledged.add(task.id)
      return twin ? [`${named(task)} has ${twin.id} and ${task.id}`] : wrongIn(seen, task)
    })
    return found.flat()
  },

  'late tasks come a few at a time': ({ sim }) => {
    const late = [...sim.schedules.made.values()].filter(
      ({ isLate, schedule }) => isLate && isThere(sim.schedules.known.get(schedule)),
    )
    const times = late.map(({ createdAt }) => createdAt).sort((a, b) => a - b)
    return times.flatMap((at, index) => {
      const last = times[index + LATE_MAX]
      return last !== undefined && last - at < MIN ? [`${LATE_MAX + 1} within a minute of ${iso(at)}`] : []
    })
  },

  'one task of a schedule waits for the one before it at most': ({ live }) => {
    const waiting = live.filter(task => task.spec.schedule !== undefined && awaitedBy(task) === 'predecessors')
    return waiting
      .filter(({ spec }, index) => waiting.findIndex(other => other.spec.schedule === spec.schedule) !== index)
      .map(describe)
  },

  'an instant is passed over for a reason': seen =>
    standing(seen).flatMap(({ one, runs }) =>
      runs
        .filter(({ taskId, plannedAt }) => taskId === null && !one.passed.has(plannedAt))
        .flatMap(run => {
          one.passed.add(run.plannedAt)
          return isPassedRightly(seen, one, run) ? [] : [`${named(planOf(one, run))}: ${run.note}`]
        }),
    ),

  'no instant is lost': seen =>
    standing(seen).flatMap(({ one, row, runs }) => {
      const known = new Set([...runs.map(({ plannedAt }) => plannedAt), ...plansOf(seen, one)])
      const isActive = one.state === 'active' && row.state === 'active'
      const lost = isActive ? demanded(seen, one).filter(instant => !known.has(instant)) : []
      const instants = one.calendar.until(seen.now)
      one.highest = instants.findLast(instant => known.has(instant)) ?? one.highest
      const gone = runs.filter(({ taskId }) => taskId !== null && !seen.sim.schedules.made.has(taskId))
      return [
        ...[...new Set(lost)].map(instant => `nothing became of ${one.name} at ${iso(instant)}`),
        ...gone.map(
          ({ taskId, plannedAt }) => `${one.name} at ${iso(plannedAt)} has made ${taskId}, which is not there`,
        ),
      ]
    }),

  ...streakInvariants,

  'every look is judged once': ({ sim }) => {
    sim.schedules.looks = sim.out.looks?.length ?? 0
    return []
  },
}

const iso = (at: number) => new Date(at).toISOString()
const named = ({ schedule, planned }: Pick<MadeTask, 'schedule' | 'planned'>) => `${schedule} at ${iso(planned)}`
const planOf = ({ name }: KnownSchedule, { plannedAt }: ScheduleRun) => ({ schedule: name, planned: plannedAt })
const isThere = (one: KnownSchedule | undefined) => one?.state !== 'gone'
const plansOf = ({ sim }: Seen, { name }: KnownSchedule) =>
  [...sim.schedules.made.values()].filter(({ schedule }) => schedule === name).map(({ planned }) => planned)

/** Schedules that are there, with what became of their instants. */
export function standing({ sim, sql }: Seen) {
  return [...sim.schedules.known.values()].flatMap(one => {
    const row = scheduleNamed(sql, one.name)
    return row && one.state !== 'unsure' ? [{ one, row, runs: runsOf(sql, row.id) }] : []
  })
}

/** Tasks of schedules that were not there at the last look, in the order in which they were made. */
function fresh({ sim, attempts }: Seen): MadeTask[] {
  return attempts
    .filter(({ id, attempt, spec }) => attempt === 1 && spec.schedule !== undefined && !sim.schedules.made.has(id))
    .map(({ id, spec, createdAt }) => ({
      ...{ id, createdAt, schedule: spec.schedule ?? '', planned: Date.parse(spec.labels.planned ?? '') },
      ...{ isLate: spec.labels.late !== undefined, after: spec.after?.ids ?? [] },
    }))
    .sort((a, b) => a.createdAt - b.createdAt || a.planned - b.planned)
}

/** What is wrong with a task that was made, by the rules of its schedule. */
function wrongIn(seen: Seen, task: MadeTask): string[] {
  const { known, byHand } = seen.sim.schedules
  const { schedule, planned, createdAt, isLate, after } = task
  const one = known.get(schedule)
  if (!one) return [`${task.id} is of ${schedule}, which nobody has added`]
  const wrong = (what: string) => [`${named(task)} made ${task.id} at ${iso(createdAt)}: ${what}`]
  const { catchUp, overlap, jitterMs, calendar, since, pausedAt } = one
  const instants = calendar.until(createdAt)
  if (!instants.includes(planned)) {
    const isAsked = planned === createdAt && byHand.has(`${schedule} ${planned}`)
    return isAsked ? [] : wrong('it is no instant')
  }
  if (byHand.has(`${schedule} ${createdAt}`) && planned === createdAt) return []
  if (createdAt > pausedAt || planned <= since) return wrong('it is paused, or was not there then')
  if (instants.some(at => at > planned && at + jitterMs <= createdAt)) return wrong('a later one was due')
  const isSurelyLate = createdAt - planned - jitterMs >= LATE_MS
  if (isSurelyLate && (!isLate || catchUp === 'skip')) return wrong('it is late')
  if (isLate && createdAt - planned < LATE_MS) return wrong('it is not late')
  const { on, over } = beforeOf(seen, one, task)
  const [first] = on
  if (first && overlap === 'skip') return wrong(`${first.id} goes on`)
  const missing = on.find(({ id }) => !after.includes(id))
  if (missing) return wrong(`it does not wait for ${missing.id}`)
  const idle = over.find(({ id }) => after.includes(id))
  return idle ? wrong(`it waits for ${idle.id}, which is over`) : []
}

function isPassedRightly(seen: Seen, one: KnownSchedule, { plannedAt, at, note }: ScheduleRun): boolean {
  if (!note?.startsWith('skipped') || !one.calendar.until(at).includes(plannedAt)) return false
  if (one.catchUp === 'skip' && at - plannedAt >= LATE_MS) return true
  const { on, unsure } = beforeOf(seen, one, { createdAt: at, id: '' })
  return [...on, ...unsure].some(({ after }) => one.overlap === 'skip' || after.length > 0)
}

/** How the tasks of the schedule stood then that were made before. */
function beforeOf(seen: Seen, { name }: KnownSchedule, now: Pick<MadeTask, 'id' | 'createdAt'>) {
  const stood = { on: [] as MadeTask[], over: [] as MadeTask[], unsure: [] as MadeTask[] }
  for (const one of seen.sim.schedules.made.values()) {
    if (one.schedule !== name || one.id === now.id || one.createdAt > now.createdAt) continue
    const isGoingOn = goesOn(seen, one, now.createdAt)
    stood[isGoingOn === undefined ? 'unsure' : isGoingOn ? 'on' : 'over'].push(one)
  }
  return stood
}

/** Undefined where it changed in that very moment, and nobody knows what came first. */
function goesOn({ sql }: Seen, { id, createdAt }: MadeTask, at: number): boolean | undefined {
  if (createdAt === at) return undefined
  const events = readNewestEvents(sql, id, ALL)
  const isOver = (until: number) => {
    const last = events.findLast(event => event.type === 'task.status' && event.at <= until)
    return last !== undefined && isTerminal(last.data.to as Status)
  }
  const isOverBefore = isOver(at - 1)
  return isOverBefore === isOver(at) ? !isOverBefore : undefined
}

/** Instants of which something must have become by now, since the daemon has looked in peace when no other was due. */
function demanded({ sim, now }: Seen, one: KnownSchedule): number[] {
  const { jitterMs, since, highest, firstLate } = one
  const instants = one.calendar.until(now)
  const looks = sim.out.looks?.slice(sim.schedules.looks) ?? []
  return looks.flatMap(({ at, world }) => {
    // Its last one may have been cut off.
    if (world.isDead()) return []
    const index = instants.findLastIndex(instant => instant + jitterMs <= at)
    const [instant = 0, next = Number.POSITIVE_INFINITY] = instants.slice(Math.max(index, 0), index + 2)
    if (index < 0 || next <= at || instant <= since || instant <= highest) return []
    if (at - instant < LATE_MS) return [instant]
    const first = firstLate.get(instant) ?? at
    firstLate.set(instant, first)
    return at - first >= PATIENCE_MS ? [instant] : []
  })
}
