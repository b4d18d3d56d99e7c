/**
 * The one timer. It sleeps to the earliest wake of any task or node, at most a minute, and runs what is due, each
 * subject at most once at a time. Everything it knows comes from the rows at start and from what was committed since;
 * it never scans the database.
 */
import { asTdfError } from '../../src/core/errors.ts'
import type { Log } from '../../src/platform/log.ts'
import type { Cancel, World } from '../../src/platform/world.ts'
import type { AttemptKey } from '../../src/store/tables/attempts.ts'
import { createSchedule } from './schedule.ts'

/** `task:<id>/<attempt>` or `node:<name>`. */
export type Subject = string

export interface Loop {
  /** Sets a subject's next wake; null when nothing is left to do. Called right after COMMIT, in the order of commits. */
  schedule(subject: Subject, at: number | null): void
  /** Ends the run of a subject that is under way, if it is. */
  interrupt(subject: Subject, reason: Error): void
  /** One round: starts what is due. Answers how many were started. */
  tick(): number
  start(): void
  /** Starts nothing more, interrupts what is under way, and resolves when it has ended. */
  stop(): Promise<void>
  /** When we last began to look at the outside: the start, or the end of a gap of the clock. */
  epochAt(): number
  /** How late the last round was, in ms. */
  lagMs(): number
  earliest(): number | null
  busy(): number
  /** Whether a subject may be moved from outside a run: none is under way, and no jump of the clock is left to take in. */
  isFree(subject: Subject): boolean
  /** Whether a subject is planned or under way. */
  knows(subject: Subject): boolean
}

/** Its signal is made when it is asked for: most runs never do, and making it is 3 % of what a hop costs. */
export type Interruption = Pick<AbortController, 'signal'>

export interface LoopParts {
  world: World
  log: Log
  /** Runs one subject; it schedules its own next wake. */
  run(subject: Subject, interruption: Interruption): Promise<void>
  /**
   * The clock jumped by so many ms, either way: nobody could act meanwhile. Nothing runs until it has resolved, so that
   * no deadline is judged before it has moved along; when it rejects, it is asked again.
   */
  onGap(gapMs: number): Promise<void>
}

const SLEEP_MS_MAX = 60_000
/** From here on a late round means that the machine slept or that its clock was changed, in ms. */
const GAP_MS = 10_000
const BUSY_MAX = 512
const FAILED_RETRY_MS = 5_000

export function createLoop({ world, log, run, onGap }: LoopParts): Loop {
  const { clock } = world
  const schedule = createSchedule()
  const busy = new Map<Subject, AbortController>()
  const again = new Set<Subject>()
  let epochAt = clock.now()
  let wall = clock.now()
  let mono = clock.mono()
  let lagMs = 0
  let stopped = true
  let held = false
  let timer: { cancel: Cancel; dueMono: number } | undefined
  let planning = false
  let drained: (() => void) | undefined

  function tick(): number {
    noticeGap()
    if (held) return 0
    const due = schedule.take(clock.now(), BUSY_MAX - busy.size)
    for (const subject of due) start(subject)
    return due.length
  }

  /** How far the two clocks have parted since the last round, in ms. */
  const jump = () => clock.now() - wall - (clock.mono() - mono)

  /** A suspended machine or a changed clock parts the two clocks; a stopped process comes late by both. */
  function noticeGap(): void {
    const now = clock.now()
    const monoNow = clock.mono()
    const jumpMs = jump()
    lagMs = Math.max(monoNow - (timer?.dueMono ?? monoNow), 0)
    // It has been heard; what comes next is planned anew.
    if (lagMs > 0) dropTimer()
    wall = now
    mono = monoNow
    const gapMs = Math.round(jumpMs + (lagMs >= GAP_MS ? lagMs : 0))
    if (Math.abs(gapMs) < GAP_MS) return
    epochAt = now
    log.warn({ gapMs }, 'the clock jumped: deadlines move along')
    held = true
    moveDeadlines(gapMs)
  }

  function moveDeadlines(gapMs: number): void {
    onGap(gapMs).then(
      () => {
        held = false
        rearm()
      },
      error => {
        log.error({ err: String(error) }, 'the deadlines could not be moved; it will be tried again')
        if (!stopped) clock.timer(FAILED_RETRY_MS, () => moveDeadlines(gapMs))
      },
    )
  }

  function start(subject: Subject): void {
    if (busy.has(subject)) return void again.add(subject)
    const controller = new AbortController()
    busy.set(subject, controller)
    void runOnce(subject, controller)
  }

  async function runOnce(subject: Subject, controller: AbortController): Promise<void> {
    try {
      await run(subject, controller)
    } catch (error) {
      if (!stopped) {
        log.error({ subject, code: asTdfError(error).code, err: String(error) }, 'a run failed; it will be tried again')
        schedule.set(subject, clock.now() + FAILED_RETRY_MS)
      }
    }
    busy.delete(subject)
    if (again.delete(subject)) schedule.set(subject, clock.now())
    if (stopped && busy.size === 0) drained?.()
    rearm()
  }

  /**
   * Plans the next round as a microtask: after all of a group of commits were told, so that a burst plans once, and
   * before any of them is answered, so that what a callback led to does not wait for its answer to be written.
   */
  function rearm(): void {
    if (stopped || planning || held) return
    planning = true
    Promise.resolve().then(plan)
  }

  function plan(): void {
    planning = false
    if (stopped || held) return
    const now = clock.now()
    const earliest = busy.size >= BUSY_MAX ? null : schedule.earliest()
    const sleepMs = Math.min(Math.max((earliest ?? now + SLEEP_MS_MAX) - now, 0), SLEEP_MS_MAX)
    if (sleepMs === 0) round()
    else sleep(sleepMs)
  }

  /** A round too early does nothing; a timer made anew for each change costs more. */
  function sleep(ms: number): void {
    const dueMono = clock.mono() + ms
    if (timer && timer.dueMono <= dueMono) return
    dropTimer()
    timer = { dueMono, cancel: clock.timer(ms, wake) }
  }

  function wake(): void {
    tick()
    dropTimer()
    rearm()
  }

  function dropTimer(): void {
    timer?.cancel()
    timer = undefined
  }

  function round(): void {
    tick()
    rearm()
  }

  return {
    schedule(subject, at) {
      schedule.set(subject, at)
      rearm()
    },
    interrupt: (subject, reason) => busy.get(subject)?.abort(reason),
    tick,
    start() {
      stopped = false
      epochAt = clock.now()
      wall = epochAt
      mono = clock.mono()
      rearm()
    },
    stop() {
      stopped = true
      dropTimer()
      for (const controller of busy.values()) controller.abort(new Error('the daemon stops'))
      return busy.size === 0 ? Promise.resolve() : new Promise(resolve => (drained = resolve))
    },
    epochAt: () => epochAt,
    lagMs: () => lagMs,
    earliest: () => schedule.earliest(),
    busy: () => busy.size,
    isFree: subject => !busy.has(subject) && !held && Math.abs(jump()) < GAP_MS,
    knows: subject => schedule.at(subject) !== undefined || busy.has(subject),
  }
}

/** Names of what the loop runs. */

export const taskSubject = ({ id, attempt }: AttemptKey) => `task:${id}/${attempt}`
export const nodeSubject = (name: string) => `node:${name}`

export type Parsed = { kind: 'task'; key: AttemptKey } | { kind: 'node'; name: string }

export function parseSubject(subject: string): Parsed {
  const colon = subject.indexOf(':')
  const rest = subject.slice(colon + 1)
  if (subject.startsWith('node:')) return { kind: 'node', name: rest }
  const slash = rest.lastIndexOf('/')
  return { kind: 'task', key: { id: rest.slice(0, slash), attempt: Number(rest.slice(slash + 1)) } }
}
