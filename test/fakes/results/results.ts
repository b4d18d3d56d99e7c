/** The repositories of results as a model that remembers which commit came home for which attempt. */

import type { GitResults } from '../../../daemon/results/git-results.ts'
import { checkpointRefOf } from '../../../daemon/results/receive/checkpoints.ts'
import type { Results, Sources } from '../../../daemon/results/results.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { type Artifacts, filesRefOf, notHome } from '../../../src/core/saved.ts'
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import type { Salvaged } from '../../../src/protocol/salvage.ts'
import { keptFiles } from '../../../src/store/blobs/kept-files.ts'
import { type FakeHistory, fakeHistory } from './history.ts'

export interface FakeResults extends Results, Pick<GitResults, 'of'> {
  /** `refs/tdf/<task>/<attempt>` → commit. */
  refs: Map<string, string>
  /** The same names → what a run had done so far. */
  checkpoints: Map<string, Salvaged>
  faults: { broken: number }
}

/** `history`: where results are commits of, for what merges them. */
export function fakeResults(history: FakeHistory = fakeHistory()): FakeResults {
  const refs = new Map<string, string>()
  const checkpoints = new Map<string, Salvaged>()
  const aheads = new Map<string, number>()
  const faults = { broken: 0 }
  /** The bundles that were made, each of one attempt. */
  const packs = new Set<string>()
  const packFile = ({ id, attempt }: Pick<Task, 'id' | 'attempt'>) => `pack ${id}-${attempt}`
  const cameHome = (task: Task, { commit, baseCommit, files }: Salvaged) => {
    history.add(commit, task.facts.resume?.commit ?? baseCommit)
    return files ? { files: filesCame(task, files) } : {}
  }
  /** Of two with one path the newer counts. */
  const filesCame = ({ id, attempt, facts }: Task, { commit, list }: Artifacts) => {
    refs.set(filesRefOf(resultRefOf(id, attempt)), commit)
    const all = new Map([...(facts.salvage?.files?.list ?? []), ...list].map(one => [one.path, one]))
    return { commit, list: [...all.values()] }
  }
  return {
    of: async () => history.repository,
    refs,
    checkpoints,
    faults,
    files: {
      ...keptFiles('/nonexistent', null),
      bring: async file => {
        if (file.startsWith('pack ') && !packs.has(file)) throw new Error(`ENOENT: no such file, open '${file}'`)
      },
    },
    logs: { keep: async () => {}, read: async () => undefined, remove: async () => {} },
    have: async () => [],
    pack: async (task, { commit }) => {
      packs.add(packFile(task))
      return { sha256: commit.padEnd(64, '0'), bytes: 1 }
    },
    packFile,
    base: async ({ id }, [first]) => ({ kind: 'clean', ref: `refs/tdf/${id}/base`, commit: first?.commit ?? '' }),
    removeUnused: async () => 0,
    thin: async () => null,
    receive: async (task, saved) => {
      if (faults.broken > 0) {
        faults.broken -= 1
        throw new TdfError('RESULT_BROKEN', 'the bundle is damaged')
      }
      refs.set(resultRefOf(task.id, task.attempt), saved.commit)
      const came = cameHome(task, saved)
      // What was at home under the same name moves aside.
      const earlier = (task.facts.salvage?.saved ?? []).map(one => {
        const isReplaced = saved.saved.some(({ ref, commit }) => ref === one.ref && commit !== one.commit)
        return isReplaced ? { ...one, ref: `${one.ref}-earlier-${one.commit.slice(0, 8)}` } : one
      })
      const all = new Map([...earlier, ...saved.saved].map(one => [one.ref, one]))
      for (const one of all.values()) refs.set(one.ref, one.commit)
      return { ...saved, saved: [...all.values()], ...came }
    },
    missing: async (task, saved) => notHome(saved, resultRefOf(task.id, task.attempt), refs),
    describe: async (task, saved) => {
      // A resumed attempt is counted from where the task began.
      const ahead = saved.ahead + (aheads.get(task.facts.resume?.commit ?? '') ?? 0)
      aheads.set(saved.commit, ahead)
      return {
        branch: task.spec.outputBranch,
        commit: saved.commit,
        ahead,
        filesChanged: ahead,
        insertions: ahead,
        deletions: 0,
        summary: null,
        salvaged: saved.salvaged,
        check: null,
      }
    },
    keepCheckpoint: async (task, saved, fetch) => {
      await fetch([], 'a download')
      checkpoints.set(resultRefOf(task.id, task.attempt), saved)
    },
    keepArtifacts: async (task, files, fetch) => {
      await fetch([], 'a download')
      return filesCame(task, files)
    },
    removeArtifacts: async () => 0,
    takeCheckpoint: async task => {
      const ref = resultRefOf(task.id, task.attempt)
      const saved = checkpoints.get(ref) ?? null
      if (saved === null) return null
      cameHome(task, saved)
      const beside = saved.saved.map(one => ({ ...one, ref: ref + one.ref.slice(checkpointRefOf(task).length) }))
      for (const one of [{ ref, commit: saved.commit }, ...beside]) refs.set(one.ref, one.commit)
      return { ...saved, saved: beside }
    },
    downloadFile: () => 'a download',
    discard: async () => {},
  }
}

/** Every repository is here at once. */
export function fakeSources(): Sources {
  return {
    fetched: () => ({ commit: '1'.repeat(40), ref: 'refs/heads/main', sha256: 'b'.repeat(64), bytes: 1 }),
    progress: () => null,
    tip: async () => ({ commit: '1'.repeat(40), ref: 'refs/heads/main' }),
    leave: () => {},
    whole: async () => null,
    keep: async () => true,
  }
}
