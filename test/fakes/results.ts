/** The repositories of results as a model that remembers which commit came home for which attempt. */
import type { Results } from '../../daemon/results/results.ts'
import { TdfError } from '../../src/errors.ts'
import { resultRefOf } from '../../src/task.ts'

export interface FakeResults extends Results {
  /** `refs/tdf/<task>/<attempt>` → commit. */
  refs: Map<string, string>
  faults: { broken: number }
}

export function fakeResults(): FakeResults {
  const refs = new Map<string, string>()
  const faults = { broken: 0 }
  return {
    refs,
    faults,
    logs: { keep: async () => {}, read: async () => undefined, remove: async () => {} },
    have: async () => [],
    receive: async (task, saved) => {
      if (faults.broken > 0) {
        faults.broken -= 1
        throw new TdfError('RESULT_BROKEN', 'the bundle is damaged')
      }
      refs.set(resultRefOf(task.id, task.attempt), saved.commit)
    },
    describe: async (task, saved) => ({
      branch: task.spec.outputBranch,
      commit: saved.commit,
      ahead: saved.ahead,
      filesChanged: saved.ahead,
      insertions: saved.ahead,
      deletions: 0,
      summary: null,
      salvaged: saved.salvaged,
      check: null,
    }),
    downloadFile: () => 'a download',
    discard: async () => {},
  }
}
