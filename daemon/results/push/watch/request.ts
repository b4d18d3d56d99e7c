/** Beginning to watch a pull request, and what its user may say to a watch; each inside a write. */
import { TdfError } from '../../../../src/core/errors.ts'
import type { PullGoal } from '../../../../src/core/source.ts'
import type { Task } from '../../../../src/core/task.ts'
import {
  changeWatch,
  insertWatch,
  type Push,
  readPush,
  readWatch,
  type Watch,
} from '../../../../src/store/tables/pushes.ts'
import { watchWaits } from '../../../../src/text/progress/pull-requests.ts'
import { sentences } from '../../../../src/text/waiting.ts'
import type { Engine } from '../../../services.ts'

type Writing = Pick<Engine, 'store' | 'config'>

/** A pull request was found or opened: it is watched where that was asked for at submit. One that is watched goes on. */
export function watchAfter(engine: Writing, { spec }: Task, push: Push, now: number): void {
  const { until, rounds = engine.config.pr.rounds } = spec.push ?? {}
  if (push.prUrl === null || push.pushedCommit === null) return
  const before = readWatch(engine.store.sql, push.taskId)
  if (before?.url === push.prUrl) {
    // New commits after its end, which somebody asked for.
    const isAgain = before.state === 'green' && before.head !== push.pushedCommit
    if (isAgain) changeWatch(engine.store.sql, before, { state: 'watching', dueAt: now }, now)
    return
  }
  if (until === undefined) return
  begin(engine, { taskId: push.taskId, url: push.prUrl, goal: until, rounds, head: push.pushedCommit }, now)
}

export interface WatchWish {
  until: PullGoal | null
  rounds: number | null
}

/** Throws NO_RESULT when no pull request of the task is known. */
export function watchNow(engine: Writing, task: Task, { until, rounds }: WatchWish, now: number): void {
  const push = readPush(engine.store.sql, task.id)
  if (!push || push.prUrl === null || push.pushedCommit === null) {
    const message = `no pull request of task ${task.id} is known`
    throw new TdfError('NO_RESULT', message, { hint: `tdf push ${task.id} --pr` })
  }
  const goal = until ?? task.spec.push?.until ?? 'green'
  const about = { taskId: task.id, url: push.prUrl, goal, head: push.pushedCommit }
  begin(engine, { ...about, rounds: rounds ?? task.spec.push?.rounds ?? engine.config.pr.rounds }, now)
}

export function begin(engine: Writing, about: Parameters<typeof insertWatch>[1], now: number): void {
  insertWatch(engine.store.sql, about, now)
  recordWatch(engine, about.taskId, now)
}

const LIVE = ['watching', 'reacting'] as const
export const isLive = ({ state }: Watch) => LIVE.some(one => one === state)

/** Throws WRONG_STATE, also when no pull request of the task is watched. */
export function changeNow(
  engine: Writing,
  { id }: Task,
  verb: 'pause' | 'resume' | 'stop',
  wish: WatchWish,
  now: number,
): void {
  const watch = readWatch(engine.store.sql, id)
  if (!watch)
    throw new TdfError('WRONG_STATE', `no pull request of task ${id} is watched`, { hint: `tdf pr watch ${id}` })
  const isOpen = isLive(watch) || watch.state === 'paused'
  if (verb !== 'resume') {
    if (!isOpen) throw wrong(watch, `tdf pr show ${id}`)
    const state = verb === 'pause' ? ('paused' as const) : ('stopped' as const)
    changeWatch(engine.store.sql, watch, { state, waitingFor: watchWaits.asked() }, now)
  } else {
    if (watch.state === 'merged' || watch.state === 'closed') throw wrong(watch, `tdf pr show ${id}`)
    if (isLive(watch)) return
    // Who resumes it gives it rounds anew where none is left.
    const rounds = watch.round + (wish.rounds ?? Math.max(watch.rounds - watch.round, 1))
    const goal = wish.until ?? watch.goal
    const head = readPush(engine.store.sql, id)?.pushedCommit ?? watch.head
    const fresh = { unchanged: 0, tries: 0, error: null, waitingFor: null, dueAt: now }
    changeWatch(engine.store.sql, watch, { ...fresh, state: 'watching', goal, rounds, head }, now)
  }
  recordWatch(engine, id, now)
}

const wrong = ({ taskId, state }: Watch, hint: string) =>
  new TdfError('WRONG_STATE', `the watch of task ${taskId} is over: ${state.replace('_', ' ')}`, { hint })

/** How a watch stands, in the journal: who waits for it looks again. */
export function recordWatch({ store }: Pick<Engine, 'store'>, taskId: string, now: number): void {
  const watch = readWatch(store.sql, taskId)
  if (!watch) return
  const { url, state, head, round, rounds, waitingFor: why } = watch
  store.append({ type: 'task.pr', taskId, data: { url, state, head, round, rounds, why } }, now)
}

/** What becomes of the pull request of a task that is over; undefined where that is as it was wanted. */
export function whyWatch(
  { store, world }: Pick<Engine, 'store' | 'world'>,
  task: Task,
): { sentence: string; command: string } | undefined {
  const watch = task.step === null ? readWatch(store.sql, task.id) : undefined
  if (!watch || watch.state === 'green' || watch.state === 'merged') return undefined
  const { url, state, waitingFor, error, dueAt, goal } = watch
  const about = error === null ? waitingFor : watchWaits.away(error)
  const nextMs = isLive(watch) ? dueAt - world.clock.now() : null
  const sentence = sentences.watched(
    sentences.state(task.status, task.verdict),
    url,
    goal,
    state.replace('_', ' '),
    about,
    nextMs,
  )
  const command = isLive(watch) ? `tdf pr show ${task.id}` : `tdf pr resume ${task.id}`
  return { sentence, command: state === 'closed' ? `tdf push ${task.id} --pr` : command }
}
