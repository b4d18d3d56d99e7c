/** The commit that a branch becomes when a result lands on it. The same result and branch give the same commit, however often. */
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import { commitTree, keepCommit, mergeTree, reaches, treeOf } from '../merge.ts'
import type { Repository } from '../repository.ts'

/** *in*: there is nothing to land. */
export type Onto = { kind: 'in' } | { kind: 'clean'; commit: string } | { kind: 'conflict'; files: string[] }

/** Holds that commit, beside the result. */
export const landingRefOf = (id: string, attempt: number) => `${resultRefOf(id, attempt)}-landing`

/**
 * A merge of both, or the result itself where the branch has not moved; with `squash` one commit upon the branch. Throws
 * RESULT_BROKEN or GIT_TOO_OLD.
 */
export async function commitOnto(repository: Repository, task: Task, tip: string, squash: boolean): Promise<Onto> {
  const commit = task.result?.commit ?? ''
  if (await reaches(repository, tip, commit)) return { kind: 'in' }
  const isAhead = await reaches(repository, commit, tip)
  if (isAhead && !squash) return kept(repository, task, commit)
  const merged = await mergeTree(repository, tip, commit)
  if (merged.kind === 'conflict') return merged
  if (merged.tree === (await treeOf(repository, tip))) return { kind: 'in' }
  const { id, spec } = task
  const title = spec.title.replace(/\s+/g, ' ')
  const made = await commitTree(repository, {
    ...{ tree: merged.tree, parents: squash ? [tip] : [tip, commit], author: spec.author },
    ...{ message: squash ? `${title}\n\nTask ${id} of tdf.` : `Merge task ${id}: ${title}` },
    at: task.completedAt ?? task.createdAt,
  })
  return kept(repository, task, made)
}

async function kept(repository: Repository, { id, attempt }: Task, commit: string): Promise<Onto> {
  await keepCommit(repository, landingRefOf(id, attempt), commit)
  return { kind: 'clean', commit }
}
