/**
 * A pull request that tdf did not open (`tdf pr adopt`): a task whose first attempt is what is on its branch, and over. It is
 * watched from then on, like one that tdf opened; the next attempt goes on from there.
 */
import { asTdfError, TdfError } from '../../../../src/core/errors.ts'
import type { PullGoal } from '../../../../src/core/source.ts'
import { resultRefOf, type Task, type TaskSpec } from '../../../../src/core/task.ts'
import { isSafeBranch } from '../../../../src/platform/git.ts'
import { insertAttempt, readAttempt, readNewestAttempt, updateAttempt } from '../../../../src/store/tables/attempts.ts'
import { askForPush, changePush, readPush, readWatch, taskOfPull } from '../../../../src/store/tables/pushes.ts'
import { insertTask } from '../../../../src/store/tables/tasks.ts'
import { freshTaskId } from '../../../api/tasks/accept.ts'
import { freshAttempt } from '../../../engine/attempts.ts'
import type { Engine } from '../../../services.ts'
import type { GitResults } from '../../git-results.ts'
import { keepCommit } from '../../merge.ts'
import { tokenFor } from '../branch.ts'
import { checkedRemote } from '../request.ts'
import { begin, isLive, watchNow } from './request.ts'
import type { Place, PullView } from './view.ts'

export interface AdoptWish {
  url: string
  /** Null: as the forge says. */
  remote: string | null
  until: PullGoal | null
  rounds: number | null
  /** Throws what a submit throws. */
  specOf(id: string, found: { title: string; remote: string }): TaskSpec
}

interface Looked extends AdoptWish {
  look(place: Place): Promise<PullView>
}

/** That of the forge, else that of the repository. */
export function forgeToken({ config, secrets }: Engine, url: string, remote: string): string | null {
  const origin = URL.canParse(url) ? new URL(url).origin : ''
  return tokenFor(config.push, origin, secrets) ?? tokenFor(config.push, remote, secrets)
}

/**
 * The id of its task; one that is known already is watched as it is. May be cut off and asked again. Throws WRONG_STATE,
 * PUSH_NOWHERE, FORGE_UNAVAILABLE, or what a submit throws; then nothing is stored.
 */
export async function adopt(engine: Engine, results: GitResults, wish: Looked, signal: AbortSignal): Promise<string> {
  const { store, world, servers } = engine
  const known = await store.answered(() => watchKnown(engine, wish))
  if (known !== undefined) return known
  const about = { taskId: '', url: wish.url, branch: '' }
  const token = forgeToken(engine, wish.url, wish.remote ?? '')
  const view = await seen(wish, { ...about, remote: wish.remote ?? '', token })
  const { remote, branch } = whereOf(wish, view)
  const id = freshTaskId(world.random)
  const named = wish.specOf(id, { title: view.title || `pull request ${wish.url}`, remote })
  const spec = { ...named, outputBranch: branch }
  const first = freshAttempt(id, 1, spec, world.clock.now(), world.clock.now())
  const from = { remote, token: tokenFor(engine.config.push, remote, engine.secrets) }
  const repository = await results.open(remote, view.head.length)
  const ref = resultRefOf(id, 1)
  const commit = await servers.fetchBranch(repository, from, branch, ref, signal)
  const onto =
    view.base === null ? commit : await servers.fetchBranch(repository, from, view.base, `${ref}-base`, signal)
  const common = await repository.may(['merge-base', '--end-of-options', commit, onto])
  const baseCommit = common.exitCode === 0 ? common.stdout.trim() : commit
  await keepCommit(repository, ref, commit)
  const found = { commit, baseCommit, salvaged: false, saved: [], leftOut: [] }
  const result = await results.describe(first, { ...found, ahead: 0 })
  const salvage = { ...found, ahead: result.ahead }
  return store.answered(() => {
    const sooner = watchKnown(engine, wish)
    if (sooner !== undefined) return sooner
    insertOver(engine, first, { result, facts: { salvage } })
    const now = world.clock.now()
    askForPush(store.sql, { taskId: id, attempt: 1, remote, branch, commitId: commit, wantsPr: true, until: now }, now)
    const push = readPush(store.sql, id)
    if (push) changePush(store.sql, push, { state: 'pushed', pushedCommit: commit, prUrl: wish.url }, now)
    const { until, rounds } = wish
    const goal = { goal: until ?? 'green', rounds: rounds ?? engine.config.pr.rounds }
    begin(engine, { taskId: id, url: wish.url, head: commit, ...goal }, now)
    return id
  })
}

/** Throws FORGE_UNAVAILABLE, with what its user may do: no task is there that would try again. */
async function seen({ look, url }: Looked, place: Place): Promise<PullView> {
  try {
    return await look(place)
  } catch (thrown) {
    const { code, message } = asTdfError(thrown)
    throw new TdfError(code, message, { hint: `tdf pr adopt ${url}` })
  }
}

/** Inside a write: one that tdf opened, or that was adopted before. */
function watchKnown(engine: Engine, wish: Looked): string | undefined {
  const { sql } = engine.store
  const id = taskOfPull(sql, wish.url)
  const task = id === undefined ? undefined : readNewestAttempt(sql, id)
  if (!task) return undefined
  const watch = readWatch(sql, task.id)
  if (!watch || !isLive(watch)) watchNow(engine, task, wish, engine.world.clock.now())
  return task.id
}

/** Throws WRONG_STATE or PUSH_NOWHERE. */
function whereOf({ url, remote: asked }: AdoptWish, view: PullView): { remote: string; branch: string } {
  const { state, fork, branch, remote } = view
  const refuse = (message: string, hint: string) => new TdfError('WRONG_STATE', message, { hint })
  if (state !== 'open') throw refuse(`${url} is ${state}`, 'tdf pr ls')
  if (fork) throw refuse(`the branch of ${url} is in a fork, which is not ours to push to`, 'tdf submit --help')
  const to = asked ?? remote
  if (branch === null || to === null || !isSafeBranch(branch)) {
    throw refuse(`nothing says in which repository and on which branch ${url} is`, 'tdf pr adopt --help')
  }
  return { remote: checkedRemote(to), branch }
}

/** Inside a write: the task, with one attempt that nothing has run and that is over. */
function insertOver({ store, world }: Engine, first: Task, found: Pick<Task, 'result' | 'facts'>): void {
  const { id, attempt, spec } = first
  const now = world.clock.now()
  insertTask(store.sql, { id, spec, idempotencyKey: null, idempotencyHash: null, createdAt: now })
  insertAttempt(store.sql, first)
  const seen = readAttempt(store.sql, first)
  const over = { status: 'completed', step: null, deadlineAt: null, waitingFor: null, verdict: 'unverified' } as const
  if (seen) updateAttempt(store.sql, seen, { ...seen, ...found, ...over, completedAt: now, updatedAt: now }, now)
  const data = { from: null, to: 'completed', reason: 'adopted' }
  store.append({ type: 'task.status', taskId: id, attempt, data }, now)
}
