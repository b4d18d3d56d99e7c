/**
 * The rate limit of a project: 3 600 requests an hour, a bucket that refills by one a second. Once it runs low, looks
 * wait so that creates and deletes still get through; once it is empty, nothing is sent that would be refused.
 */
import { TdfError } from '../../errors.ts'
import type { Clock } from '../../world.ts'

export interface Budget {
  /** Counts a request before it is sent. Throws PROVIDER_UNAVAILABLE when it has to wait. */
  take(kind: 'look' | 'change'): void
  /** Takes over what an answer says of the bucket. */
  learn(headers: Headers): void
  /** The API refused for too many requests: nothing is sent for a while. */
  refused(): void
  /** What is left of it now. */
  left(): number
}

const LIMIT = 3_600
const REFILL_PER_MS = 1 / 1_000
/** Looks stop below this share of the limit. */
const RESERVE = 0.1
const PAUSE_MS = 15_000

export function createBudget(clock: Clock): Budget {
  let limit = LIMIT
  let remaining = LIMIT
  let at = clock.mono()
  let pausedUntil = 0

  function refill(): void {
    const now = clock.mono()
    remaining = Math.min(limit, remaining + (now - at) * REFILL_PER_MS)
    at = now
  }

  return {
    take(kind) {
      refill()
      const floor = kind === 'look' ? limit * RESERVE : 1
      const waitMs = Math.max((floor - remaining) / REFILL_PER_MS, pausedUntil - at)
      if (waitMs > 0) {
        throw new TdfError(
          'PROVIDER_UNAVAILABLE',
          `the Hetzner API allows ${limit} requests an hour, which are used up`,
          {
            retryAfterMs: Math.min(Math.max(Math.ceil(waitMs), 1_000), 60_000),
          },
        )
      }
      remaining -= 1
    },
    learn(headers) {
      refill()
      const [max, left] = [Number(headers.get('ratelimit-limit')), Number(headers.get('ratelimit-remaining') ?? NaN)]
      if (max > 0) limit = max
      // Others may use the same project: what it says is right, except that our own requests under way are not in it.
      if (Number.isFinite(left)) remaining = Math.min(remaining, left)
    },
    refused() {
      refill()
      remaining = 0
      pausedUntil = at + PAUSE_MS
    },
    left() {
      refill()
      return Math.floor(remaining)
    },
  }
}
