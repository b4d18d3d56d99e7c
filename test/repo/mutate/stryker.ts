/** The object through which code with mutants in it is told which of them is put in, and tells which ones it passed. */

export interface Stryker {
  /** How often a mutant's place was passed: `static` while no test was named, else by the name of the test. */
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> }
  currentTestId?: string | undefined
  activeMutant?: string | undefined
  /** Passing the place of the active mutant more often than `hitLimit` throws. */
  hitCount?: number
  hitLimit?: number
}

/** How often a place may be passed that was passed `plain` times without a mutant: more is a loop that never ends. */
export const hitsMax = (plain = 10_000): number => 1_000 + 20 * plain

const holder = globalThis as { __stryker__?: Stryker }
holder.__stryker__ ??= {}

export const stryker: Stryker = holder.__stryker__
