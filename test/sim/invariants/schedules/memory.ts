/** What the simulation knows of its schedules by what it asked for, beside what the daemon has on record. */
import type { Schedule } from '../../../../src/store/groups/schedules.ts'
import { type Calendar, calendarOf, type Pattern } from './calendar.ts'

type Wish = Pick<Schedule, 'name' | 'zone' | 'catchUp' | 'overlap' | 'jitterMs' | 'keepGoing' | 'untilGreen'>

export interface KnownSchedule extends Wish {
  calendar: Calendar
  /** Unsure: the power failed before the last request was answered. */
  state: 'active' | 'paused' | 'unsure' | 'gone'
  /** Its instants count that come after it, Unix ms. */
  since: number
  /** Unix ms; no end while it goes on. */
  pausedAt: number
  /** The latest instant that something became of. */
  highest: number
  /** Of instants that come late, when they were first looked at in peace. */
  firstLate: Map<number, number>
  streak: number
  /** Of the runs whose end is counted, their instants. */
  counted: Set<number>
  /** Of the runs whose task was over at the last look, the same. */
  over: Set<number>
  /** Instants that are on record without a task. */
  passed: Set<number>
}

/** A task of a schedule, as it was made. */
export interface MadeTask {
  id: string
  schedule: string
  planned: number
  createdAt: number
  isLate: boolean
  /** Of the tasks that it waits for. */
  after: readonly string[]
}

export interface ScheduleMemory {
  known: Map<string, KnownSchedule>
  made: Map<string, MadeTask>
  /** So many looks were judged. */
  looks: number
  /** When somebody asked for a task: by schedule and Unix ms. */
  byHand: Set<string>
}

export const freshSchedules = (): ScheduleMemory => ({ known: new Map(), made: new Map(), looks: 0, byHand: new Set() })

export function knownOf(wish: Wish, pattern: Pattern, now: number): KnownSchedule {
  const { name, zone, catchUp, overlap, jitterMs, keepGoing, untilGreen } = wish
  return {
    ...{ name, zone, catchUp, overlap, jitterMs, keepGoing, untilGreen },
    calendar: calendarOf(pattern, zone, now),
    state: 'unsure',
    ...{ since: now, pausedAt: Number.POSITIVE_INFINITY, highest: now, streak: 0 },
    ...{ firstLate: new Map(), counted: new Set(), over: new Set(), passed: new Set() },
  }
}
