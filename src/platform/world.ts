/**
 * The outside of the program: time, randomness, processes, the network, and the moment at which the power fails. The only
 * file that may touch them, so that the whole daemon also runs under a simulated clock with seeded faults.
 */
import process from 'node:process'

export type Cancel = () => void

export interface Clock {
  /** Unix milliseconds, as stored and shown. */
  now(): number
  /** Milliseconds that never jump, for measuring. */
  mono(): number
  /** Runs `fn` once after `ms`; a delay beyond what timers hold (2^31-1 ms) is cut to it. */
  timer(ms: number, fn: () => void): Cancel
  /** Runs `fn` at the end of this turn of the event loop. */
  turn(fn: () => void): void
}

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  bytes(count: number): Buffer
}

/** Called before and after each outside effect, by name. Tests let it cut the power there; else it does nothing. */
export type Failpoint = (when: 'before' | 'after', effect: string) => void

export interface World {
  clock: Clock
  random: Random
  failpoint: Failpoint
  /** HTTP to services that are not ours. */
  fetch: typeof globalThis.fetch
}

const TIMER_MS_MAX = 2 ** 31 - 1

const realClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  timer: (ms, fn) => {
    const handle = setTimeout(fn, Math.min(Math.max(ms, 0), TIMER_MS_MAX))
    return () => clearTimeout(handle)
  },
  turn: fn => void setImmediate(fn),
}

const realRandom: Random = { float: () => Math.random(), bytes: count => crypto.getRandomValues(Buffer.alloc(count)) }

/**
 * The real world. `TDF_CRASH_AT=before:commit:12` ends the process by SIGKILL before the twelfth effect of that name
 * (`*` for any name): how the kill tests cut the power at one exact line.
 */
export function realWorld(env: NodeJS.ProcessEnv = process.env): World {
  return {
    clock: realClock,
    random: realRandom,
    failpoint: failpointFrom(env.TDF_CRASH_AT),
    fetch: (input, init) => globalThis.fetch(input, init),
  }
}

function failpointFrom(plan: string | undefined): Failpoint {
  if (!plan) return () => {}
  const [when, name, nth] = plan.split(':')
  let seen = 0
  return (at, effect) => {
    if (at !== when || (name !== '*' && name !== effect)) return
    seen += 1
    if (seen === Number(nth)) process.kill(process.pid, 'SIGKILL')
  }
}

/** One outside effect, named for the power switch. */
export async function effect<T>(world: World, name: string, act: () => Promise<T>): Promise<T> {
  world.failpoint('before', name)
  try {
    return await act()
  } finally {
    // A call that failed may have been done all the same.
    world.failpoint('after', name)
  }
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.timer(ms, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** Runs what has the same key one after the other, whether the one before failed or not. */
export type Lines = <T>(key: string, act: () => Promise<T>) => Promise<T>

export function makeLines(): Lines {
  const last = new Map<string, Promise<unknown>>()
  return (key, act) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(act, act)
    const settled = turn
      .catch(() => {})
      .finally(() => {
        if (last.get(key) === settled) last.delete(key)
      })
    last.set(key, settled)
    return turn
  }
}
