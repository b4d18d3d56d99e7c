/** Medians and their spread. */

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(Math.floor(q * sorted.length), sorted.length - 1)] ?? Number.NaN
}

export const median = (values: readonly number[]) => quantile(values, 0.5)

/** `median (lowest–highest)`. */
export function spread(values: readonly number[], digits = 0): string {
  const text = (value: number) => value.toFixed(digits)
  return values.length < 2
    ? text(median(values))
    : `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`
}

/** Ms of wall-clock time that `act` takes, for each of so many rounds after one that is not counted. */
export async function rounds(count: number, act: () => Promise<void> | void): Promise<number[]> {
  const times: number[] = []
  for (let round = -1; round < count; round++) {
    const startedAt = performance.now()
    await act()
    if (round >= 0) times.push(performance.now() - startedAt)
  }
  return times
}
