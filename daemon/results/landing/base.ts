/** The commit that a task begins from which goes on from the work of others. */
import { TdfError } from '../../../src/core/errors.ts'
import type { Task } from '../../../src/core/task.ts'
import { commitTree, keepCommit, mergeTree, reaches } from '../merge.ts'
import type { Repository } from '../repository.ts'
import type { Base } from '../results.ts'

interface Work {
  id: string
  commit: string
}

/** Of every attempt of the task, for as long as the task is there. */
const baseRefOf = (id: string) => `refs/tdf/${id}/base`

/** One after the other into the first. Made once: each attempt begins from the same. Throws NO_RESULT, RESULT_BROKEN or GIT_TOO_OLD. */
export async function baseOf(repository: Repository, task: Task, work: readonly Work[]): Promise<Base> {
  const ref = baseRefOf(task.id)
  const known = (await commitAt(repository, ref)) ?? (await ofParent(repository, task))
  if (known !== null) return { kind: 'clean', ref, commit: known }
  const [first, ...rest] = work
  const { from = [], fromCompleted = false } = task.spec.after ?? {}
  if (!first || (!fromCompleted && work.length < from.length)) {
    const why = fromCompleted ? 'none of the tasks before it is completed' : 'it is not here any more'
    throw new TdfError('NO_RESULT', `task ${task.id} has no work to begin from: ${why}`)
  }
  let commit = first.commit
  const taken = [first.id]
  for (const next of rest) {
    const joined = await join(repository, task, commit, next)
    if (typeof joined !== 'string') return { kind: 'conflict', of: [...taken, next.id], files: joined.files }
    commit = joined
    taken.push(next.id)
  }
  await keepCommit(repository, ref, commit)
  return { kind: 'clean', ref, commit }
}

async function commitAt(repository: Repository, ref: string): Promise<string | null> {
  const known = await repository.may(['rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`])
  return known.exitCode === 0 ? known.stdout.trim() : null
}

/** What an agent handed over begins from what that agent began from. It is named anew: the other name goes with its task. */
async function ofParent(repository: Repository, { id, spec: { parent } }: Task): Promise<string | null> {
  const commit = parent === undefined ? null : await commitAt(repository, baseRefOf(parent))
  if (commit !== null) await keepCommit(repository, baseRefOf(id), commit)
  return commit
}

/** A commit that has both; the same two of the same task give the same. */
async function join(repository: Repository, task: Task, commit: string, next: Work) {
  if (await reaches(repository, commit, next.commit)) return commit
  if (await reaches(repository, next.commit, commit)) return next.commit
  const merged = await mergeTree(repository, commit, next.commit)
  if (merged.kind === 'conflict') return { files: merged.files }
  const message = `Merge task ${next.id} for task ${task.id}`
  const about = { tree: merged.tree, parents: [commit, next.commit], message, at: task.createdAt }
  return commitTree(repository, { ...about, author: task.spec.author })
}
