/** How long to wait before something that does not answer is asked again. */

/** The longer it has been so, the more seldom: a twentieth of that time, at most this, in ms. */
const POLL_BACKOFF_MS_MAX = 60_000

/**
 * Whole ms, at least `askedMs`, which the other side or the caller knows to be right; `sinceMs` is how long it has not
 * answered.
 */
export function pollBackoffMs(askedMs: number, sinceMs: number): number {
  return Math.ceil(Math.max(askedMs, Math.min(sinceMs / 20, POLL_BACKOFF_MS_MAX)))
}
