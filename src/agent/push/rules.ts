/** When a push is tried again, and when no more. Pure. */
export type PushResult =
  | { kind: 'answered'; status: number }
  /** No answer: refused, reset, timed out, nonsense. */
  | { kind: 'failed'; reason: string }

export type Verdict = { kind: 'done' } | { kind: 'final'; status: number } | { kind: 'again'; afterMs: number }

const FIRST_MS = 1_000
const LONGEST_MS = 30_000
/** Of the delay, at most: many nodes that lost the same daemon do not come back in the same moment. */
const JITTER = 0.25
const FINAL = new Set([400, 413, 415])
const REFUSED = new Set([401, 403, 404])
/** A daemon that was set up anew may come to know us; after this the event waits for its pull. */
const REFUSED_MS = 60 * 60_000

/** `tries` so far, this one included; `refusedForMs` since the first 401, 403 or 404 of this event. */
export function judge(result: PushResult, tries: number, refusedForMs: number, dice: number): Verdict {
  if (result.kind === 'answered') {
    const { status } = result
    if (status >= 200 && status < 300) return { kind: 'done' }
    if (FINAL.has(status)) return { kind: 'final', status }
    if (REFUSED.has(status) && refusedForMs >= REFUSED_MS) return { kind: 'final', status }
  }
  const fullMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries - 1, 10))
  return { kind: 'again', afterMs: Math.round(fullMs * (1 - JITTER * dice)) }
}

export function isRefusal(result: PushResult): boolean {
  return result.kind === 'answered' && REFUSED.has(result.status)
}
