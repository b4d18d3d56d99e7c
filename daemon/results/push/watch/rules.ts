/** What follows from the look of a pull request: it goes on waiting, its agent is given what is red, or it is over. Pure. */
import { createHash } from 'node:crypto'
import type { Config } from '../../../../src/config/schema/config.ts'
import { isOver, type Task } from '../../../../src/core/task.ts'
import type { Push, Watch, WatchState } from '../../../../src/store/tables/pushes.ts'
import { watchWaits } from '../../../../src/text/progress/pull-requests.ts'
import type { PullView } from './view.ts'

/** Without any check it may be that the forge has not begun them: so many times the settle time is waited for the first. */
const NO_CHECKS_SETTLES = 4
/** How often in a row an agent may change nothing. */
const UNCHANGED_MAX = 2
const GIVEN_MAX = 200

/** What is to be mended. */
export interface Red {
  failing: PullView['checks']
  threads: PullView['threads']
  isConflict: boolean
}

export type WatchDecision =
  /** `dueMs`: when it has to be looked at again, where that is sooner than usual. */
  | { kind: 'wait'; why: string; dueMs?: number }
  | { kind: 'end'; state: WatchState; why: string }
  | { kind: 'react'; red: Red; fingerprint: string }

export interface WatchInput {
  now: number
  config: Pick<Config['pr'], 'draft' | 'react' | 'settle'>
}

/** `watch`: with what this look has changed. */
export function decideWatch(watch: Watch, view: PullView, { now, config }: WatchInput): WatchDecision {
  if (view.state === 'merged') return { kind: 'end', state: 'merged', why: watchWaits.merged() }
  if (view.state === 'closed') return { kind: 'end', state: 'closed', why: watchWaits.closed() }
  if (view.draft && !config.draft) return { kind: 'wait', why: watchWaits.draft() }
  const all = redOf(watch, view)
  const red = {
    failing: config.react.includes('ci') ? all.failing : [],
    threads: config.react.includes('review') ? all.threads : [],
    isConflict: config.react.includes('conflict') && all.isConflict,
  }
  const pending = view.checks.filter(({ state }) => state === 'pending')
  // A forge begins no checks of what it cannot merge.
  if (pending.length > 0 && !red.isConflict) return { kind: 'wait', why: watchWaits.pending(namesOf(pending)) }
  const settleMs = config.settle * (view.checks.length === 0 && !isRed(all) ? NO_CHECKS_SETTLES : 1)
  const leftMs = watch.seenAt + settleMs - now
  if (leftMs > 0) return { kind: 'wait', why: watchWaits.settle(), dueMs: leftMs }
  if (!isRed(all)) return green(watch, view)
  const what = wordsOf(all)
  if (!isRed(red)) return { kind: 'wait', why: watchWaits.notOurs(what) }
  const fingerprint = fingerprintOf(red, view.head)
  if (watch.given.includes(fingerprint)) return { kind: 'wait', why: watchWaits.given(what) }
  if (watch.unchanged >= UNCHANGED_MAX) {
    return { kind: 'end', state: 'needs_you', why: watchWaits.unchanged(watch.unchanged, what) }
  }
  if (watch.round >= watch.rounds) {
    return { kind: 'end', state: 'needs_you', why: watchWaits.usedUp(watch.rounds, what) }
  }
  return { kind: 'react', red, fingerprint }
}

/** Nothing is red; what a reviewer was answered is theirs to close. */
function green(watch: Watch, view: PullView): WatchDecision {
  const answered = openThreads(view).filter(thread => !thread.outdated)
  if (answered.length > 0) return { kind: 'wait', why: watchWaits.reviewers(answered.length) }
  if (watch.goal === 'merged') return { kind: 'wait', why: watchWaits.merge() }
  return { kind: 'end', state: 'green', why: watchWaits.green() }
}

/** Only what people say who may write counts. A thread is given once, until somebody says more in it. */
function openThreads({ threads }: PullView): PullView['threads'] {
  return threads.flatMap(thread => {
    const comments = thread.comments.filter(({ mayWrite }) => mayWrite)
    return comments.length === 0 ? [] : [{ ...thread, comments }]
  })
}

/** Names a thread with its last comment. */
export const threadKey = ({ id, comments }: PullView['threads'][number]) => `${id}:${comments.at(-1)?.id ?? ''}`

function redOf(watch: Watch, view: PullView): Red {
  return {
    failing: view.checks.filter(({ state }) => state === 'failed'),
    threads: openThreads(view).filter(thread => !watch.told.includes(threadKey(thread))),
    isConflict: view.mergeable === false,
  }
}

const isRed = ({ failing, threads, isConflict }: Red) => failing.length > 0 || threads.length > 0 || isConflict

const namesOf = (checks: PullView['checks']) => checks.map(({ name }) => name)

function wordsOf({ failing, threads, isConflict }: Red): string {
  return watchWaits.red(namesOf(failing), threads.length, isConflict)
}

/** The set of what is red, and the commit where it is: whatever is asked again about it has the same name. */
function fingerprintOf({ failing, threads, isConflict }: Red, head: string): string {
  const parts = [head, namesOf(failing).sort(), threads.map(threadKey).sort(), isConflict]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

/** What is remembered of a reaction. */
export function afterReaction(
  watch: Watch,
  { red, fingerprint }: Extract<WatchDecision, { kind: 'react' }>,
): Pick<Watch, 'given' | 'told' | 'still'> {
  return {
    given: [...watch.given, fingerprint].slice(-GIVEN_MAX),
    told: [...watch.told, ...red.threads.map(threadKey)].slice(-GIVEN_MAX),
    still: namesOf(red.failing),
  }
}

/** What was seen, as one value that changes with it; since when it is so is the start of the settle time. */
export function seenOf(view: PullView): string {
  const { state, draft, head, mergeable, checks, threads } = view
  const parts = [state, draft, head, mergeable === false, checks.map(({ name, state }) => [name, state]).sort()]
  return createHash('sha256')
    .update(
      JSON.stringify([
        ...parts,
        openThreads({ ...view, threads })
          .map(threadKey)
          .sort(),
      ]),
    )
    .digest('hex')
    .slice(0, 32)
}

export function countsOf({ checks }: PullView): NonNullable<Watch['checks']> {
  const of = (state: string) => checks.filter(check => check.state === state).length
  return { passed: of('passed'), failed: of('failed'), pending: of('pending') }
}

/** *busy*: the task itself goes on, and is looked at again soon. */
export type Standing = { kind: 'busy'; why: string } | { kind: 'free'; change: Partial<Watch> } | Ending
type Ending = Extract<WatchDecision, { kind: 'end' }>

/** What has become of the newest attempt of the task, and of its push. A round counts when a new commit got there. */
export function standingOf(watch: Watch, task: Task, push: Push | undefined): Standing {
  if (!isOver(task) || task.step !== null) return { kind: 'busy', why: watchWaits.attempt(task.attempt) }
  const own = push?.attempt === task.attempt ? push : undefined
  if (own?.state === 'pending') return { kind: 'busy', why: watchWaits.push(task.attempt) }
  const isReaction = watch.state === 'reacting' && watch.attempt === task.attempt
  const head = own?.state === 'pushed' ? (own.pushedCommit ?? watch.head) : watch.head
  if (head !== watch.head) {
    const counted = isReaction ? { round: watch.round + 1, unchanged: 0 } : {}
    return { kind: 'free', change: { ...counted, head, state: 'watching' } }
  }
  if (!isReaction) return { kind: 'free', change: { state: 'watching' } }
  if (task.status === 'cancelled') return { kind: 'end', state: 'paused', why: watchWaits.cancelled(task.attempt) }
  if (task.verdict === 'budget') return { kind: 'end', state: 'needs_you', why: watchWaits.budget(task.attempt) }
  if (own?.state === 'failed') {
    return { kind: 'end', state: 'needs_you', why: watchWaits.notPushed(task.attempt, own.error ?? '') }
  }
  return { kind: 'free', change: { state: 'watching', unchanged: watch.unchanged + 1 } }
}
