/**
 * Does the pushes that were asked for. A try may be cut off anywhere and done again: the branch is there already then,
 * and so is the pull request. A task is over whatever becomes of its push: the verdict does not wait for a server.
 */
import { backoffMs } from '../../../src/core/backoff.ts'
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import { changePush, duePushes, type Push, readPush } from '../../../src/store/tables/pushes.ts'
import { recordFailure } from '../../reporting/failures.ts'
import { announcePush } from '../../reporting/notices/announce.ts'
import type { Engine } from '../../services.ts'
import type { Sweep } from '../../sweeps/run.ts'
import type { GitResults } from '../git-results.ts'
import { tokenFor } from './branch.ts'
import { pushLarge } from './large.ts'
import { createTries } from './tries.ts'
import { joinPeople } from './watch/join.ts'
import { watchAfter } from './watch/request.ts'

const AT_ONCE_MAX = 4
const BACKOFF = { baseMs: 5_000, maxMs: 15 * 60_000 }
/** What the CLI calls a commit that no branch stands for. */
const NO_BRANCH = 'tdf-base'

export interface Pusher {
  /** Tries the push of a task now, or waits for the try that goes on. */
  now(taskId: string): Promise<void>
  sweep: Sweep
  stop(): Promise<void>
}

type Change = Parameters<typeof changePush>[2]

export function createPusher(engine: Engine, results: Pick<GitResults, 'of'>): Pusher {
  const { sql } = engine.store
  const { now, sweep, stop } = createTries<Push>(engine, {
    name: 'push',
    atOnceMax: AT_ONCE_MAX,
    keyOf: ({ taskId }) => taskId,
    due: (at, limit) => duePushes(sql, at, limit),
    attempt: (push, signal) => attempt(engine, results, push, signal),
    failed: (push, { message }) => again(engine, push, { kind: 'failed', why: message }),
  })
  const pending = (taskId: string) => {
    const push = readPush(sql, taskId)
    return push?.state === 'pending' ? push : undefined
  }
  return { now: taskId => now(taskId, () => pending(taskId)), sweep, stop }
}

/** One try: the branch, then the pull request. Nothing is written once the signal is aborted. */
async function attempt(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  push: Push,
  signal: AbortSignal,
): Promise<void> {
  const { store, world, config, servers } = engine
  const task = readAttempt(store.sql, { id: push.taskId, attempt: push.attempt })
  if (!task) return
  const repository = await results.of(task)
  const tokenOf = (server: string) => tokenFor(config.push, server, engine.secrets)
  const token = tokenOf(push.remote)
  const content = await pushLarge(repository, { push, ref: resultRefOf(task.id, task.attempt), tokenOf, signal })
  if (signal.aborted) return
  if (content.kind !== 'pushed') return again(engine, push, content)
  const pushed = await servers.pushBranch(repository, push, token, signal)
  if (signal.aborted) return
  if (pushed.kind !== 'pushed') {
    const joined = await joinPeople(engine, repository, { task, push, token, refused: pushed }, signal)
    if (signal.aborted || joined.kind === 'asked') return
    return again(engine, push, joined)
  }
  const there = { ...push, pushedCommit: push.commitId }
  if (!push.wantsPr) return settle(engine, there, { state: 'pushed', error: null })
  // Known before anything else is tried: the branch is ours to move from now on.
  await store.commit(() => changePush(store.sql, there, {}, world.clock.now()))
  const asked = (branch: string) => servers.remoteTip(repository, { remote: push.remote, branch }, token, signal)
  const base = await baseOf(task, async branch => (await asked(branch)) !== null)
  const opened = await servers.openPullRequest(config.push, { task, push, token, base, draft: config.pr.draft }, signal)
  if (signal.aborted) return
  if (opened.kind === 'opened') return settle(engine, there, { state: 'pushed', error: null, prUrl: opened.url })
  const why = `the branch is pushed, and no pull request was opened: ${opened.why}`
  return again(engine, there, { ...opened, why })
}

function again(engine: Engine, push: Push, { kind, why }: { kind: 'refused' | 'failed'; why: string }): Promise<void> {
  const dueAt = engine.world.clock.now() + backoffMs(push.tries + 1, BACKOFF)
  const isLast = kind === 'refused' || dueAt > push.until
  engine.log.warn({ task: push.taskId, tries: push.tries + 1, isLast }, `not pushed: ${why}`)
  return settle(engine, push, isLast ? { state: 'failed', error: why } : { error: why, dueAt })
}

/** Writes what became of a try; a push that has failed for good is on record and announced. */
async function settle(engine: Engine, push: Push, change: Change): Promise<void> {
  const { store, world } = engine
  await store.commit(() => {
    const now = world.clock.now()
    if (!changePush(store.sql, push, { ...change, tries: push.tries + 1 }, now)) return
    recordPush(engine, push.taskId, now)
    if (change.state === 'pushed') pushedTo(engine, push, now)
    if (change.state !== 'failed') return
    const { taskId, attempt, remote, branch } = push
    const message = `${branch} was not pushed to ${remote}: ${change.error}`
    const id = `push-${taskId}-${attempt}-${now}`
    recordFailure(engine, { id, source: 'push', taskId, code: 'PUSH_FAILED', message })
    const task = readAttempt(store.sql, { id: taskId, attempt })
    if (task) announcePush(engine, task, message, now)
  })
}

/** Its pull request may be watched from now on. */
function pushedTo(engine: Engine, { taskId, attempt }: Push, now: number): void {
  const { sql } = engine.store
  const task = readAttempt(sql, { id: taskId, attempt })
  const push = readPush(sql, taskId)
  if (task && push) watchAfter(engine, task, push, now)
}

/** The branch that the task began from, if it was one and is one there; else null, the default. */
async function baseOf({ spec: { repo } }: Task, isThere: (branch: string) => Promise<boolean>): Promise<string | null> {
  const branch = repo.ref?.replace(/^refs\/heads\//, '') ?? null
  return branch !== null && branch !== NO_BRANCH && (await isThere(branch)) ? branch : null
}

/** Inside a write: how a push stands, in the journal; who waits for the push looks again. */
export function recordPush(engine: Pick<Engine, 'store'>, taskId: string, now: number): void {
  const push = readPush(engine.store.sql, taskId)
  if (!push) return
  const { attempt, state, remote, branch, commitId: commit, prUrl, tries, error } = push
  engine.store.append(
    { type: 'task.push', taskId, attempt, data: { state, remote, branch, commit, prUrl, tries, error } },
    now,
  )
}
