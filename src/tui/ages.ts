/** Ages for cells: one unit, and coarse while young, so that a row that only grows older is seldom drawn anew. */
const YOUNG_STEP_S = 10

export function age(at: string | null, now: number): string {
  if (at === null) return ''
  const seconds = Math.max(now - Date.parse(at), 0) / 1_000
  if (seconds < YOUNG_STEP_S) return 'now'
  if (seconds < 60) return `${Math.floor(seconds / YOUNG_STEP_S) * YOUNG_STEP_S}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
