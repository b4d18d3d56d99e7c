/** How often one caller may call: a bucket of tokens for each, filled at a steady rate. */
import type { Clock } from '../../src/world.ts'

export interface Rate {
  /** 0 when the call may go on, else the ms after which the next one may. */
  take(caller: string): number
}

export interface RateOptions {
  perSecond: number
  burst: number
  callersMax?: number
}

/** A node tells a few facts a minute; this is far beyond, and far below what a busy loop of calls would make. */
export const CALLBACK_RATE: RateOptions = { perSecond: 50, burst: 200 }

export function createRate(clock: Clock, { perSecond, burst, callersMax = 10_000 }: RateOptions): Rate {
  // In the order of the last call, so that the oldest is forgotten first: it would be full again by now.
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    take(caller) {
      const now = clock.mono()
      const bucket = buckets.get(caller) ?? { left: burst, at: now }
      const left = Math.min(bucket.left + ((now - bucket.at) / 1_000) * perSecond, burst)
      buckets.delete(caller)
      buckets.set(caller, { left: left >= 1 ? left - 1 : left, at: now })
      const oldest = buckets.keys().next()
      if (buckets.size > callersMax && !oldest.done) buckets.delete(oldest.value)
      return left >= 1 ? 0 : Math.ceil(((1 - left) / perSecond) * 1_000)
    },
  }
}
