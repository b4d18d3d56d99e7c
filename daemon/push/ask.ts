/** Asking for a push, in the transaction that gives the reason: it is then done, however often we are restarted. */
import { TdfError } from '../../src/errors.ts'
import { isSafeBranch } from '../../src/git.ts'
import { askForPush, readPush } from '../../src/store/pushes.ts'
import type { Task } from '../../src/task.ts'
import type { Engine } from '../deps.ts'
import { checkedRemote } from './accept.ts'
import { recordPush } from './record-push.ts'

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
export function pushNow(engine: Engine, task: Task, wish: PushWish, now: number): void {
  const { store } = engine
  const { result, spec } = task
  if (!result || result.ahead === 0) {
    const why = result ? 'it changed nothing' : `it is ${task.status}`
    throw new TdfError('NO_RESULT', `task ${task.id} has nothing to push: ${why}`, { hint: `tdf why ${task.id}` })
  }
  const before = readPush(store.sql, task.id)
  const known = before?.remote ?? spec.push?.remote ?? (spec.repo.kind === 'git' ? spec.repo.url : null)
  const remote = wish.remote ?? known ?? wish.fallback
  if (remote === null) {
    throw new TdfError('PUSH_NOWHERE', `nobody said where to push ${task.id}; --remote names a repository`)
  }
  const branch = wish.branch ?? (remote === before?.remote ? before.branch : result.branch)
  if (!isSafeBranch(branch)) throw new TdfError('REF_UNSAFE', `"${branch}" cannot be the name of a branch`)
  const ask = { remote: checkedRemote(remote), branch, commitId: result.commit, wantsPr: wish.pr, until: now }
  askForPush(store.sql, { taskId: task.id, attempt: task.attempt, ...ask }, now)
  recordPush(engine, task.id, now)
}
