/** A started hour is paid for whole: a machine that nobody needs stays until shortly before the next would start. */

const HOUR_MS = 3_600_000
/** What it takes to see it removed, with room for a slow answer. */
const MARGIN_MS = 5 * 60_000

/** When a machine whose hours count from `billedFrom` should go that would go at `at`. Never earlier, and never for more. */
export function lastPaidMoment(billedFrom: number, at: number): number {
  const hours = Math.ceil((at - billedFrom) / HOUR_MS)
  return Math.max(at, billedFrom + hours * HOUR_MS - MARGIN_MS)
}
