/** How long to wait before a step, a call or a clean-up is tried again. Pure; times are in ms. */

export interface Backoff {
  /** The delay before the second try; it doubles with each further one. */
  baseMs: number
  maxMs: number
  /** Uniform in [0, 1); left out: the whole delay. */
  jitter?: number
  /** The share of the delay that `jitter` decides; 1 is full jitter. */
  spread?: number
}

/** The longest doubling that is reckoned: beyond it every delay is `maxMs`. */
const DOUBLINGS_MAX = 30
const POLL_BACKOFF_MS_MAX = 60_000

/** The delay after `tries` failed tries, from 1. Whole ms. */
export function backoffMs(tries: number, { baseMs, maxMs, jitter = 1, spread = 1 }: Backoff): number {
  const fullMs = Math.min(baseMs * 2 ** Math.min(tries - 1, DOUBLINGS_MAX), maxMs)
  return Math.ceil(fullMs * (1 - spread + spread * jitter))
}

/** The delay before the next try of a step, with full jitter and never before what the other side asked for. Whole ms. */
export function retryDelayMs(
  tries: number,
  error: { retryAfterMs?: number | undefined } | null,
  { config, jitter }: { config: { runner: { retryBaseDelay: number; retryMaxDelay: number } }; jitter: number },
): number {
  const { retryBaseDelay: baseMs, retryMaxDelay: maxMs } = config.runner
  return Math.max(backoffMs(tries, { baseMs, maxMs, jitter }), Math.ceil(error?.retryAfterMs ?? 0))
}

/**
 * The delay before something that does not answer is asked again: a twentieth of the time since when it has not, at most
 * `maxMs`, and at least `askedMs`, which the other side or the caller knows to be right. Whole ms.
 */
export function pollBackoffMs(askedMs: number, sinceMs: number, maxMs = POLL_BACKOFF_MS_MAX): number {
  return Math.ceil(Math.max(askedMs, Math.min(sinceMs / 20, maxMs)))
}
