/**
 * The one timer. It sleeps to the earliest wake of any task or node, at most a minute, and runs what is due, each
 * subject at most once at a time. Everything it knows comes from the rows at start and from what was committed since;
 * it never scans the database.
 */
import { asTdfError, type TdfError } from '../../src/core/errors.ts'
import type { AttemptKey } from '../../src/core/task.ts'
import type { Log } from '../../src/platform/log.ts'
import type { Clock, World } from '../../src/platform/world.ts'
import { createAlarm, createSchedule } from './schedule.ts'

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
   * The clock jumped by so many ms, either way, and nothing could run meanwhile. Nothing runs until it has resolved, so that
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
  const runs = createRuns(run, ended)
  const alarm = createAlarm(clock, round)
  const rearm = oncePerTurn(plan)
  const guard = createClockGuard({ clock, log, onGap }, rearm)
  let lagMs = 0
  let stopped = true

  function round(): void {
    tick()
    rearm()
  }

  function tick(): number {
    lagMs = alarm.lateMs()
    // The timer fired: re-arm.
    if (lagMs > 0) alarm.drop()
    guard.look(lagMs)
    if (guard.isHeld()) return 0
    const due = schedule.take(clock.now(), BUSY_MAX - runs.count())
    for (const subject of due) runs.start(subject)
    return due.length
  }

  function ended(subject: Subject, failure: TdfError | null, isWokenAgain: boolean): void {
    if (failure && !stopped) {
      log.error({ subject, code: failure.code, err: String(failure) }, 'a run failed; it will be tried again')
      schedule.set(subject, clock.now() + FAILED_RETRY_MS)
    }
    if (isWokenAgain) schedule.set(subject, clock.now())
    rearm()
  }

  function plan(): void {
    if (stopped || guard.isHeld()) return
    const now = clock.now()
    const earliest = runs.count() >= BUSY_MAX ? null : schedule.earliest()
    const sleepMs = Math.min(Math.max((earliest ?? now + SLEEP_MS_MAX) - now, 0), SLEEP_MS_MAX)
    if (sleepMs > 0) alarm.set(sleepMs)
    else round()
  }

  return {
    schedule(subject, at) {
      schedule.set(subject, at)
      rearm()
    },
    tick,
    start() {
      stopped = false
      guard.start()
      rearm()
    },
    stop() {
      stopped = true
      guard.stop()
      alarm.drop()
      return runs.end()
    },
    interrupt: runs.interrupt,
    epochAt: guard.epochAt,
    lagMs: () => lagMs,
    earliest: schedule.earliest,
    busy: runs.count,
    isFree: subject => !runs.has(subject) && guard.isOpen(),
    knows: subject => schedule.at(subject) !== undefined || runs.has(subject),
  }
}

/**
 * Calls `act` as a microtask, once however often it is asked for: after all of a group of commits were told, so that a
 * burst plans once, and before any of them is answered, so that what a callback led to does not wait for its answer to be
 * written.
 */
function oncePerTurn(act: () => void): () => void {
  let isAsked = false
  return () => {
    if (isAsked) return
    isAsked = true
    Promise.resolve().then(() => {
      isAsked = false
      act()
    })
  }
}

/** What is under way: each subject once at a time. One that is woken during its run is named as such when the run ends. */
function createRuns(
  run: LoopParts['run'],
  ended: (subject: Subject, failure: TdfError | null, isWokenAgain: boolean) => void,
) {
  const controllers = new Map<Subject, AbortController>()
  const woken = new Set<Subject>()
  let drained: (() => void) | undefined

  async function runOnce(subject: Subject, controller: AbortController): Promise<void> {
    const failure = await run(subject, controller).then(() => null, asTdfError)
    controllers.delete(subject)
    ended(subject, failure, woken.delete(subject))
    if (controllers.size === 0) drained?.()
  }

  return {
    start(subject: Subject): void {
      if (controllers.has(subject)) return void woken.add(subject)
      const controller = new AbortController()
      controllers.set(subject, controller)
      void runOnce(subject, controller)
    },
    interrupt: (subject: Subject, reason: Error) => controllers.get(subject)?.abort(reason),
    has: (subject: Subject) => controllers.has(subject),
    count: () => controllers.size,
    /** Interrupts everything, and resolves when the last run has ended. */
    end(): Promise<void> {
      for (const controller of controllers.values()) controller.abort(new Error('the daemon stops'))
      return controllers.size === 0 ? Promise.resolve() : new Promise(resolve => (drained = resolve))
    },
  }
}

/** Sees the clock jump, and holds the loop until every deadline has moved along. */
function createClockGuard(
  { clock, log, onGap }: Pick<LoopParts, 'log' | 'onGap'> & { clock: Clock },
  moved: () => void,
) {
  let epochAt = clock.now()
  let wall = clock.now()
  let mono = clock.mono()
  let held = false
  let stopped = true

  /** How far the two clocks have parted since the last look, in ms. */
  const jumpMs = () => clock.now() - wall - (clock.mono() - mono)

  function mark(): void {
    wall = clock.now()
    mono = clock.mono()
  }

  function move(gapMs: number): void {
    onGap(gapMs).then(
      () => {
        held = false
        moved()
      },
      error => {
        log.error({ err: String(error) }, 'the deadlines could not be moved; it will be tried again')
        if (!stopped) clock.timer(FAILED_RETRY_MS, () => move(gapMs))
      },
    )
  }

  return {
    /** A suspended machine or a changed clock parts the two clocks; a stopped process comes late by both. */
    look(lagMs: number): void {
      const gapMs = Math.round(jumpMs() + (lagMs >= GAP_MS ? lagMs : 0))
      mark()
      if (Math.abs(gapMs) < GAP_MS) return
      epochAt = clock.now()
      log.warn({ gapMs }, 'the clock jumped: deadlines move along')
      held = true
      move(gapMs)
    },
    start(): void {
      stopped = false
      epochAt = clock.now()
      mark()
    },
    stop(): void {
      stopped = true
    },
    epochAt: () => epochAt,
    isHeld: () => held,
    /** Whether no jump is left to take in. */
    isOpen: () => !held && Math.abs(jumpMs()) < GAP_MS,
  }
}

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
