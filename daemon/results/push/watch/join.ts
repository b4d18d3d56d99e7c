/**
 * What people put on the branch of a watched pull request while its agent worked, merged with what the agent made: that is
 * pushed then, from where they have left the branch.
 */
import { resultRefOf, type Task } from '../../../../src/core/task.ts'
import { askForPush, movePush, type Push, readPush, readWatch } from '../../../../src/store/tables/pushes.ts'
import { watchWaits } from '../../../../src/text/progress/pull-requests.ts'
import type { Engine } from '../../../services.ts'
import { keepCommit, mergeOf, reaches } from '../../merge.ts'
import type { Repository } from '../../repository.ts'
import type { Pushed } from '../branch.ts'
import { isLive } from './request.ts'

/** *asked*: the push of both is asked for, in place of this one. */
export type Joined = { kind: 'asked' } | Exclude<Pushed, { kind: 'pushed' }>

/** What a push comes to that was refused. Throws FORGE_UNAVAILABLE. */
export async function joinPeople(
  { store, servers, world }: Engine,
  repository: Repository,
  {
    task,
    push,
    token,
    refused,
  }: { task: Task; push: Push; token: string | null; refused: Exclude<Pushed, { kind: 'pushed' }> },
  signal: AbortSignal,
): Promise<Joined> {
  const { taskId, remote, branch, commitId: ours, pushedCommit } = push
  const watch = readWatch(store.sql, taskId)
  if (refused.kind !== 'refused' || pushedCommit === null || !watch || !isLive(watch)) return refused
  const ref = resultRefOf(taskId, push.attempt)
  const theirs = await servers.fetchBranch(repository, { remote, token }, branch, `${ref}-head`, signal)
  // Refused for what the branch is, and not for what is on it; or put there in place of ours.
  if (await reaches(repository, ours, theirs)) return refused
  if (!(await reaches(repository, theirs, pushedCommit))) return refused
  const sides = { ours, theirs, base: branch }
  const { commit, files } = await mergeOf(repository, sides, task.completedAt ?? task.createdAt)
  if (files.length > 0) return { kind: 'refused', why: watchWaits.apart(theirs, files) }
  await keepCommit(repository, `${ref}-joined`, commit)
  if (signal.aborted) return refused
  await store.commit(() => {
    const now = world.clock.now()
    const seen = readPush(store.sql, taskId)
    // Another push was asked for meanwhile.
    if (seen?.commitId !== ours || seen.attempt !== push.attempt || seen.until !== push.until) return
    askForPush(store.sql, { ...push, commitId: commit }, now)
    movePush(store.sql, taskId, theirs)
  })
  return { kind: 'asked' }
}
