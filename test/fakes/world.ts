/** A simulated world: time stands still until a test moves it, dice come from a seed, and the power can be cut. */
import type { Clock, World } from '../../src/platform/world.ts'

export interface SimWorld extends World {
  clock: SimClock
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** Settles, then jumps from timer to timer until `until` holds or so much time has passed. False when it never held. */
  run(until: () => boolean, withinMs?: number): Promise<boolean>
  /** Ends this life: its timers are gone and every effect of what still runs fails. */
  die(): void
  isDead(): boolean
  effects(): number
}

export interface SimClock extends Clock {
  /** Time passes and the timers due fire, one after the other. */
  advance(ms: number): Promise<void>
  /** The wall clock jumps while nothing runs, like a machine that slept. */
  jump(ms: number): void
}

export class PowerCut extends Error {}

/** Somebody wakes again and again without a pause. */
export class Spinning extends Error {}

export interface SimOptions {
  seed?: number
  startAt?: number
  /** Cuts the power at the n-th effect, counted from 1; with `of`, at the n-th of those names; with `from`, of those then and later. */
  cut?: { when: 'before' | 'after'; nth: number; of?: RegExp; from?: number }
  onCut?: () => void
  /** The network beyond the nodes; without it there is none. */
  fetch?: World['fetch']
}

interface Timer {
  at: number
  fn: () => void
}

/** Time that outlives a daemon: two lives of it share one. */
export interface Timeline {
  now: number
  /** How far the wall clock is ahead of the one that never jumps. */
  drift: number
  timers: Set<Timer>
  turns: number
}

export function timeline(startAt = Date.UTC(2026, 0, 1)): Timeline {
  return { now: startAt, drift: 0, timers: new Set(), turns: 0 }
}

export function simWorld(time: Timeline, { seed = 1, cut, onCut, fetch = noNetwork }: SimOptions = {}): SimWorld {
  let dead = false
  const effects = { before: 0, after: 0 }
  const own = new Set<Timer>()
  const random = mulberry32(seed)

  const clock: SimClock = {
    now: () => time.now,
    mono: () => time.now - time.drift,
    timer(ms, fn) {
      if (dead) return () => {}
      const timer = { at: time.now + Math.max(ms, 0), fn }
      time.timers.add(timer)
      own.add(timer)
      return () => {
        time.timers.delete(timer)
        own.delete(timer)
      }
    },
    turn(fn) {
      time.turns += 1
      setImmediate(() => {
        time.turns -= 1
        // Also when the power is off: what was asked for is refused then, rather than never answered.
        fn()
      })
    },
    async advance(ms) {
      const until = time.now + ms
      for (let next = earliest(time); next && next.at <= until; next = earliest(time)) await fire(time, next)
      time.now = until
      await settle(time)
    },
    jump(ms) {
      time.now += ms
      time.drift += ms
      for (const timer of time.timers) timer.at += ms
    },
  }

  return {
    clock,
    fetch,
    random: {
      float: random,
      bytes: count => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
    },
    failpoint(when, effect) {
      if (dead) throw new PowerCut('the power is off')
      if ((cut?.of && !cut.of.test(effect)) || (cut?.from !== undefined && time.now < cut.from)) return
      effects[when] += 1
      if (cut && when === cut.when && effects[when] === cut.nth) {
        dead = true
        for (const timer of own) time.timers.delete(timer)
        onCut?.()
        throw new PowerCut(`the power was cut ${when} effect ${cut.nth}`)
      }
    },
    settle: () => settle(time),
    async run(until, withinMs = 30 * 24 * 3_600_000) {
      const limit = time.now + withinMs
      await settle(time)
      while (!until()) {
        const next = earliest(time)
        if (!next || next.at > limit) return false
        await fire(time, next)
      }
      return true
    },
    isDead: () => dead,
    die() {
      dead = true
      for (const timer of own) time.timers.delete(timer)
    },
    effects: () => effects.before,
  }
}

const noNetwork: World['fetch'] = async () => {
  throw new Error('there is no network here')
}

/** Turns of the event loop without new work after which everything that needs no time has happened. */
const QUIET_TURNS = 4
/** A daemon that begins again with everything it has needs some hundreds. */
const TURNS_MAX = 20_000

async function settle(time: Timeline): Promise<void> {
  let turns = 0
  for (let quiet = 0; quiet < QUIET_TURNS; ) {
    if (turns++ > TURNS_MAX) throw new Spinning('time does not pass, and there is always something to do')
    const before = time.turns
    await new Promise(resolve => setImmediate(resolve))
    quiet = before === 0 && time.turns === 0 ? quiet + 1 : 0
  }
}

async function fire(time: Timeline, timer: Timer): Promise<void> {
  time.timers.delete(timer)
  time.now = Math.max(time.now, timer.at)
  timer.fn()
  await settle(time)
}

function earliest(time: Timeline): Timer | undefined {
  let first: Timer | undefined
  for (const timer of time.timers) if (!first || timer.at < first.at) first = timer
  return first
}

/** A small seeded generator (mulberry32), good enough to spread test cases. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
