/**
 * Runs before each test file. In a process that is about one mutant it puts the mutant in before anything is loaded, so
 * that code which runs while its module is loaded is mutated too. In the quick pass runner.ts puts in one mutant after the
 * other, and nothing is done here.
 */
import { hitsMax, stryker } from './stryker.ts'

putIn(process.env.__STRYKER_ACTIVE_MUTANT__)

/** Until the process ends; the count of hits begins anew. */
function putIn(mutant: string | undefined): void {
  if (!mutant) return
  stryker.activeMutant = mutant
  stryker.hitCount = 0
  stryker.hitLimit = hitsMax()
}
