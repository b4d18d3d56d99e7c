/** How full something is, as bars of small blocks: places for tasks, and the load of a machine. Pure. */

/** A cell for each place where that fits, else in proportion. What is begun counts. */
export function bar(used: number, all: number, cellsMax: number): string {
  const cells = Math.min(all, cellsMax)
  const full = all <= 0 ? 0 : Math.min(Math.max(Math.ceil((used / all) * cells), 0), cells)
  return '▮'.repeat(full) + '▯'.repeat(cells - full)
}

/** `▮▮▮▯▯▯▯▯  38 %`, always as wide; blanks and a dash where it is not known. */
export function percentBar(percent: number | null, cells: number): string {
  if (percent === null) return `${' '.repeat(cells)}   - %`
  return `${bar(percent, 100, cells)} ${String(Math.round(percent)).padStart(3)} %`
}

/** From where on a share of a machine is told as a worry, in percent. */
const BUSY_PERCENT = 70
const FULL_PERCENT = 90

export type Worry = 'none' | 'busy' | 'full'

export function worryOf(percent: number | null): Worry {
  if (percent === null || percent < BUSY_PERCENT) return 'none'
  return percent < FULL_PERCENT ? 'busy' : 'full'
}
