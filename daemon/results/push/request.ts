/** Asking for a push, in the transaction that gives the reason: it is then done, however often we are restarted. */
import type { Config } from '../../../src/config/schema/config.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { PushSpec } from '../../../src/core/source.ts'
import type { Task } from '../../../src/core/task.ts'
import { hasPassword, isMetadataUrl, isRepositoryUrl, isSafeBranch } from '../../../src/platform/git.ts'
import type { SubmitRequest } from '../../../src/protocol/submit.ts'
import { askForPush, readPush } from '../../../src/store/tables/pushes.ts'
import { sentences } from '../../../src/text/waiting.ts'
import type { Engine } from '../../services.ts'
import { recordPush } from './pusher.ts'

export interface PushWish {
  remote: string | null
  /** Used when neither the wish nor the task says where to. */
  fallback: string | null
  branch: string | null
  pr: boolean
}

/** Inside a write: what was asked for at submit, now that the task is completed. */
export function pushAfter(engine: Engine, task: Task, now: number): void {
  const { push } = task.spec
  if (!push || !task.result) return
  const { branch, commit: commitId } = task.result
  const until = now + engine.config.push.retryFor
  const about = { taskId: task.id, attempt: task.attempt, ...push, branch, commitId, wantsPr: push.pr, until }
  askForPush(engine.store.sql, about, now)
  recordPush(engine, task.id, now)
}

/**
 * Inside a write: what somebody wants at once, in one try that tells them how it went. What they leave open is as it was
 * at the last push, or at submit. Throws NO_RESULT, PUSH_NOWHERE or REF_UNSAFE.
 */
export function pushNow(engine: Engine, task: Task, request: PushWish, now: number): void {
  const { store } = engine
  const { result, spec } = task
  if (!result || result.ahead === 0) {
    const why = result ? 'it changed nothing' : `it is ${task.status}`
    throw new TdfError('NO_RESULT', `task ${task.id} has nothing to push: ${why}`, { hint: `tdf why ${task.id}` })
  }
  const before = readPush(store.sql, task.id)
  const known = before?.remote ?? spec.push?.remote ?? (spec.repo.kind === 'git' ? spec.repo.url : null)
  const remote = request.remote ?? known ?? request.fallback
  if (remote === null) {
    throw new TdfError('PUSH_NOWHERE', `nobody said where to push ${task.id}; --remote names a repository`)
  }
  const branch = request.branch ?? (remote === before?.remote ? before.branch : result.branch)
  if (!isSafeBranch(branch)) throw new TdfError('REF_UNSAFE', `"${branch}" cannot be the name of a branch`)
  const ask = { remote: checkedRemote(remote), branch, commitId: result.commit, wantsPr: request.pr, until: now }
  askForPush(store.sql, { taskId: task.id, attempt: task.attempt, ...ask }, now)
  recordPush(engine, task.id, now)
}

/** Where the branch of a task may go. Nothing is asked of the remote: that is the push's own matter. */

/** Throws PUSH_NOWHERE when a push is wanted and there is nowhere to push to. */
export function pushOf(
  { config }: { config: Config },
  { push, remote, repo, until = null, rounds = null }: PushAsked,
): PushSpec | null {
  const wanted = until === null ? (push ?? config.push.default) : 'pr'
  if (until !== null && push !== null && push !== 'pr') {
    const message = 'a pull request is watched that is opened: until goes with pr alone'
    throw new TdfError('BAD_REQUEST', message, { field: 'until', hint: 'tdf submit --help' })
  }
  if (wanted === 'never') return null
  const to = remote ?? (repo.kind === 'git' ? repo.url : null)
  if (to === null) {
    throw new TdfError('PUSH_NOWHERE', 'the repository has no remote to push to; name one, or say --no-push', {
      field: 'remote',
      hint: 'git remote --verbose',
    })
  }
  const watched = until === null ? {} : { until, ...(rounds === null ? {} : { rounds }) }
  return { remote: checkedRemote(to), pr: wanted === 'pr', ...watched }
}

type PushAsked = Pick<SubmitRequest, 'push' | 'remote' | 'repo'> & Partial<Pick<SubmitRequest, 'until' | 'rounds'>>

/** Throws PUSH_NOWHERE. */
export function checkedRemote(remote: string): string {
  if (!isRepositoryUrl(remote) || isMetadataUrl(remote)) {
    throw new TdfError('PUSH_NOWHERE', `"${remote}" is no repository that can be pushed to`, { field: 'remote' })
  }
  if (hasPassword(remote)) {
    throw new TdfError('PUSH_NOWHERE', 'the remote has a password in its address; keep it as a secret instead', {
      field: 'remote',
      hint: 'tdf secret set --help',
    })
  }
  return remote
}

/** What a task that is over still waits for on its way to a remote, or did not get there by. */

/** Undefined when nothing was to be pushed, or when it is there. */
export function whyPush(
  { store, world }: Pick<Engine, 'store' | 'world'>,
  task: Task,
): { sentence: string; command: string } | undefined {
  const push = task.step === null ? readPush(store.sql, task.id) : undefined
  if (push?.attempt !== task.attempt || push.state === 'pushed') return undefined
  const state = sentences.state(task.status, task.verdict)
  const what = push.pushedCommit === null ? push.branch : `the pull request of ${push.branch}`
  const command = `tdf push ${task.id}${push.wantsPr ? ' --pr' : ''}`
  if (push.state === 'failed') return { sentence: sentences.notPushed(state, what, push.remote, push.error), command }
  const nextMs = push.dueAt - world.clock.now()
  return { sentence: sentences.pushing(state, what, push.remote, nextMs, push.error), command }
}
