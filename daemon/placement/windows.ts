/** Days, weeks and months in the zone of the daemon. Pure but for that zone. */

export const WINDOWS = ['day', 'week', 'month'] as const
export type Window = (typeof WINDOWS)[number]

/** The window that `now` (Unix ms) is in: from its first moment to the first of the next. A week begins on Monday. */
export function windowAt(window: Window, now: number): { from: number; until: number } {
  const day = new Date(now)
  const at = (month: number, date: number) => new Date(day.getFullYear(), month, date).getTime()
  const month = day.getMonth()
  const date = day.getDate()
  if (window === 'month') return { from: at(month, 1), until: at(month + 1, 1) }
  const first = window === 'day' ? date : date - ((day.getDay() + 6) % 7)
  return { from: at(month, first), until: at(month, first + (window === 'day' ? 1 : 7)) }
}
