/**
 * Watches the pull requests that were asked for. A look may be cut off anywhere and made again: what follows from it is one
 * write, and nothing follows twice. The task of it is over whatever becomes of its pull request.
 */
import { backoffMs } from '../../../../src/core/backoff.ts'
import { asTdfError, type TdfError } from '../../../../src/core/errors.ts'
import type { Task } from '../../../../src/core/task.ts'
import { readNewestAttempt } from '../../../../src/store/tables/attempts.ts'
import {
  changeWatch,
  dueWatches,
  movePush,
  readPush,
  readWatch,
  type Watch,
} from '../../../../src/store/tables/pushes.ts'
import { watchWaits } from '../../../../src/text/progress/pull-requests.ts'
import type { Engine } from '../../../services.ts'
import type { Sweep } from '../../../sweeps/run.ts'
import type { GitResults } from '../../git-results.ts'
import { reaches } from '../../merge.ts'
import { createTries } from '../tries.ts'
import { type AdoptWish, adopt, forgeToken } from './adopt.ts'
import { type Allowance, type Cache, createAllowance } from './gh.ts'
import { changedIn, end, react, type Scene } from './react.ts'
import { recordWatch } from './request.ts'
import { countsOf, decideWatch, seenOf, standingOf } from './rules.ts'
import { lookByCommand, type Place, type PullView } from './view.ts'

const AT_ONCE_MAX = 4
const BACKOFF_MS_MAX = 15 * 60_000
/** How soon a task that goes on is looked at again: that costs a read of its row. */
const BUSY_MS = 1_000

export interface Watcher {
  sweep: Sweep
  /** Looks at the pull request of a task now, to the end. For tests. */
  now(taskId: string): Promise<void>
  /** Watches one that tdf did not open. Answers the id of its task. */
  adopt(results: GitResults, wish: AdoptWish, signal: AbortSignal): Promise<string>
  stop(): Promise<void>
}

/** `allowance`: what others ask the same forges for counts too. */
export function createWatcher(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  allowance: Allowance = createAllowance(),
): Watcher {
  const { sql } = engine.store
  const { now, sweep, stop } = createTries<Watch>(engine, {
    name: 'pr',
    atOnceMax: AT_ONCE_MAX,
    keyOf: ({ taskId }) => taskId,
    due: (at, limit) => dueWatches(sql, at, limit),
    attempt: (watch, signal) => look(engine, results, watch, allowance, signal),
    failed: (watch, error) => later(engine, watch, error),
  })
  const live = (taskId: string) => {
    const watch = readWatch(sql, taskId)
    return watch?.state === 'watching' || watch?.state === 'reacting' ? watch : undefined
  }
  return {
    now: taskId => now(taskId, () => live(taskId)),
    adopt(whole, wish, signal) {
      const look = (place: Place) => viewOf(engine, place, null, allowance, signal)
      return adopt(engine, whole, { ...wish, look: async place => (await look(place)).view }, signal)
    },
    sweep,
    stop,
  }
}

async function look(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  watch: Watch,
  allowance: Allowance,
  signal: AbortSignal,
): Promise<void> {
  const { store, world, config } = engine
  const task = readNewestAttempt(store.sql, watch.taskId)
  const push = readPush(store.sql, watch.taskId)
  if (!task || !push) return
  const standing = standingOf(watch, task, push)
  const about = { engine, watch, task }
  if (standing.kind === 'busy') return wait(about, watch, standing.why, BUSY_MS)
  if (standing.kind === 'end') return store.commit(() => end({ ...about, now: watch }, standing.state, standing.why))
  const token = forgeToken(engine, watch.url, push.remote)
  const place: Place = { taskId: task.id, url: watch.url, remote: push.remote, branch: push.branch, token }
  const { view, cache } = await viewOf(engine, place, watch.cache, allowance, signal)
  const seen = seenOf(view)
  const at = world.clock.now()
  const since = seen === watch.seen ? {} : { seen, seenAt: at }
  const found = { ...watch, ...standing.change, ...since, cache, checks: countsOf(view), error: null, tries: 0 }
  const scene: Scene = { ...about, place, allowance, signal, results, now: found, push, view }
  const isMoved = view.head !== found.head && view.state === 'open'
  const where = isMoved ? await whereIs(scene) : 'on_top'
  if (where === 'replaced') return store.commit(() => end(scene, 'stopped', watchWaits.replaced(view.head)))
  if (where === 'behind') return wait(about, found, watchWaits.behind(found.head), config.pr.poll)
  const now = { ...found, head: view.head }
  const decision = decideWatch(now, view, { now: at, config: config.pr })
  signal.throwIfAborted()
  if (decision.kind === 'end') return store.commit(() => end({ ...scene, now }, decision.state, decision.why))
  if (decision.kind === 'react') return reactOr({ ...scene, now }, decision)
  return wait(about, now, decision.why, Math.min(decision.dueMs ?? config.pr.poll, config.pr.poll))
}

/** A task that may not go on says so at its watch: nothing is tried that would be refused again. */
async function reactOr(scene: Scene, decision: Parameters<typeof react>[1]): Promise<void> {
  try {
    await react(scene, decision)
  } catch (thrown) {
    const error = asTdfError(thrown)
    scene.signal.throwIfAborted()
    if (error.class !== 'permanent') throw error
    if (readWatch(scene.engine.store.sql, scene.watch.taskId)?.rev !== scene.watch.rev) return
    const why = watchWaits.refused(error.message)
    await scene.engine.store.commit(() => end(scene, 'needs_you', why))
  }
}

/**
 * Whether people have put their commits on top of ours, or in their place. *behind*: the forge shows a commit from before ours, as it
 * may for a moment after a push.
 */
async function whereIs(scene: Scene): Promise<'on_top' | 'behind' | 'replaced'> {
  const { engine, results, task, push, view, place, now, signal } = scene
  const repository = await results.of(task)
  const ref = `refs/tdf/${task.id}/${task.attempt}-head`
  const tip = await engine.servers.fetchBranch(repository, place, push.branch, ref, signal)
  if (!(await reaches(repository, tip, view.head)) || !(await reaches(repository, tip, now.head))) return 'replaced'
  return (await reaches(repository, view.head, now.head)) ? 'on_top' : 'behind'
}

async function viewOf(
  engine: Engine,
  place: Place,
  known: Cache | null,
  allowance: Allowance,
  signal: AbortSignal,
): Promise<{ view: PullView; cache: Cache | null }> {
  const { pr: config } = engine.config
  if (config.command.length > 0) return { view: await lookByCommand(config, place, signal), cache: null }
  const now = () => engine.world.clock.now()
  return engine.servers.lookAtGitHub({ place, known: known ?? {}, config, allowance, now, signal })
}

interface About {
  engine: Engine
  watch: Watch
  task: Task
}

function wait({ engine, watch }: About, now: Watch, waitingFor: string, dueMs: number): Promise<void> {
  const { store, world } = engine
  return store.commit(() => {
    const at = world.clock.now()
    if (!changeWatch(store.sql, watch, { ...changedIn(now), waitingFor, dueAt: at + dueMs }, at)) return
    // What people have put on the branch is what the next push goes on from.
    if (now.head !== watch.head) movePush(store.sql, watch.taskId, now.head)
    if (now.state !== watch.state || waitingFor !== watch.waitingFor) recordWatch(engine, watch.taskId, at)
  })
}

/** What the forge cannot be asked now is asked later and later; nothing of what is known is lost. */
function later(engine: Engine, watch: Watch, error: TdfError): Promise<void> {
  const { store, world, log, config } = engine
  const at = world.clock.now()
  const tries = watch.tries + 1
  const backoff = backoffMs(tries, { baseMs: config.pr.poll, maxMs: Math.max(BACKOFF_MS_MAX, config.pr.poll) })
  const dueAt = at + Math.max(backoff, error.retryAfterMs ?? 0)
  log.warn({ task: watch.taskId, tries, err: error.message }, 'a pull request cannot be looked at')
  return store.commit(() => {
    if (!changeWatch(store.sql, watch, { tries, dueAt, error: error.message }, at)) return
    if (watch.error === null) recordWatch(engine, watch.taskId, at)
  })
}
