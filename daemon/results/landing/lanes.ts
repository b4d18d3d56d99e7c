/**
 * Landings at work: of each lane the first goes on, by one act and one transaction a time, so that it is cut off anywhere and
 * taken up again. The branch only ever moves to a tree that was checked where a check is asked for, and never over a commit that it got
 * meanwhile: then the result is merged and checked anew. Whoever cannot land leaves the lane, and the next goes on.
 */
import { backoffMs } from '../../../src/core/backoff.ts'
import { isOver, type Task, type TaskSpec } from '../../../src/core/task.ts'
import { SERVER_LABEL } from '../../../src/protocol/submit.ts'
import { type ReadTask, readAttempt, readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { changeLanding, type Landing, moveLane, openLandings } from '../../../src/store/tables/landings.ts'
import { insertTask } from '../../../src/store/tables/tasks.ts'
import { freshTaskId, inheritedOf } from '../../api/tasks/accept.ts'
import { openAttempt } from '../../engine/attempts.ts'
import type { Engine } from '../../services.ts'
import type { Sweep } from '../../sweeps/run.ts'
import type { GitResults } from '../git-results.ts'
import { tokenFor } from '../push/branch.ts'
import { createTries } from '../push/tries.ts'
import { commitOnto, landingRefOf } from './commit.ts'
import { resolve, seeResolved } from './resolve.ts'

export interface Lanes {
  sweep: Sweep
  stop(): Promise<void>
}

/** How often a branch may have moved before its landing is given up. */
const MOVES_MAX = 5
/** And how often its server may not have been reached. */
const TRIES_MAX = 15
const BACKOFF = { baseMs: 2_000, maxMs: 5 * 60_000 }
const AT_ONCE_MAX = 16

export const isFolder = (source: string) => source.startsWith('/')
export const laneOf = ({ source, onto }: Landing) => JSON.stringify([source, onto])

export function createLanes(engine: Engine, results: Pick<GitResults, 'of'>): Lanes {
  const { sweep, stop } = createTries<Landing>(engine, {
    name: 'landings',
    atOnceMax: AT_ONCE_MAX,
    keyOf: one => (one.state === 'resolving' ? one.taskId : laneOf(one)),
    due(now) {
      const open = openLandings(engine.store.sql)
      const resolving = open.filter(({ state }) => state === 'resolving')
      return [...firstsOf(open), ...resolving].filter(({ dueAt }) => dueAt <= now)
    },
    attempt: (landing, signal) => step(engine, results, landing, signal),
    failed: (landing, { message }) => again(engine, landing, message),
  })
  return { sweep, stop }
}

/** The first of each lane. One whose agent resolves its conflict holds up no other. */
export function firstsOf(open: readonly Landing[]): Landing[] {
  const firsts = new Map<string, Landing>()
  for (const one of open) if (one.state !== 'resolving' && !firsts.has(laneOf(one))) firsts.set(laneOf(one), one)
  return [...firsts.values()]
}

async function step(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  landing: Landing,
  signal: AbortSignal,
): Promise<void> {
  const task = readAttempt(engine.store.sql, { id: landing.taskId, attempt: landing.resolvedIn ?? landing.attempt })
  if (landing.state === 'resolving') {
    const unresolved = await seeResolved(engine, results, landing, task)
    return unresolved === null ? undefined : leave(engine, landing, 'CONFLICT', unresolved)
  }
  if (!task?.result) return leave(engine, landing, 'NO_RESULT', 'its result is not there any more')
  if (landing.state === 'waiting') return merge(engine, results, landing, task, signal)
  if (landing.state === 'checking') return seeCheck(engine, landing)
  // The branch of a folder is moved by its user's command, which says so.
  if (!isFolder(landing.source)) return move(engine, results, landing, task, signal)
}

async function merge(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  landing: Landing,
  task: ReadTask,
  signal: AbortSignal,
) {
  const { source, onto, squash } = landing
  const found = isFolder(source) ? landing.tip : (await engine.sources.tip(source, onto, signal)).commit
  if (found === null) return leave(engine, landing, 'NO_RESULT', `nobody said where ${onto} is`)
  const repository = await results.of(task)
  const made = await commitOnto(repository, task, found, squash)
  if (made.kind === 'conflict') {
    const unresolved = await resolve(engine, repository, { landing, task, tip: found, files: made.files })
    return unresolved === null ? undefined : leave(engine, landing, 'CONFLICT', unresolved)
  }
  if (made.kind === 'in') return change(engine, landing, { state: 'landed', tip: found, merged: found })
  const next = { tip: found, merged: made.commit }
  if (landing.checkCommand === null) return change(engine, landing, { state: 'ready', ...next })
  return beginCheck(engine, { ...landing, ...next }, task)
}

/** The merged tree goes the way of every task, with an agent that does nothing: what counts is the check behind it. */
async function beginCheck(engine: Engine, landing: Landing, task: ReadTask): Promise<void> {
  const { store, world } = engine
  const now = world.clock.now()
  const id = freshTaskId(world.random)
  const { tip, merged } = landing
  if (tip === null || merged === null) return
  const ref = landingRefOf(task.id, task.attempt)
  const base = { ref, commit: merged, baseCommit: tip, salvaged: false, resumeRef: null }
  await store.commit(() => {
    if (!changeLanding(store.sql, landing, { state: 'checking', tip, merged, checkTask: id }, now)) return
    const spec = { ...checkSpec(id, task, landing), base }
    insertTask(store.sql, { id, spec, idempotencyKey: null, idempotencyHash: null, createdAt: now })
    openAttempt(engine, { id, attempt: 0, spec }, now)
  })
}

function checkSpec(id: string, { id: of, spec }: Task, { onto, checkCommand }: Landing): TaskSpec {
  const branch = onto.replace(/^refs\/heads\//, '')
  // It is a task of the landing's, and not one more of those that a `tdf mcp` may submit.
  const { [SERVER_LABEL]: _server, ...labels } = spec.labels
  return {
    ...inheritedOf(spec),
    title: `check of ${of} on ${branch}: ${spec.title}`,
    prompt: '',
    agent: { name: 'command', type: 'command', command: ['true'], env: spec.agent.env },
    outputBranch: `tdf/${id}-check`,
    check: checkCommand,
    labels: { ...labels, landing: of },
    interactive: false,
    maxCostUsd: null,
    push: null,
  }
}

async function seeCheck(engine: Engine, landing: Landing): Promise<void> {
  const { checkTask, merged } = landing
  const check = checkTask === null ? undefined : readNewestAttempt(engine.store.sql, checkTask)
  if (!check) return leave(engine, landing, 'CHECK_FAILED', 'the task that was to check it is gone')
  if (!isOver(check)) return
  // A task that was told something else by `tdf continue` may have checked another tree.
  const isOfMerge = check.facts.resume?.commit === merged && check.continued === null
  if (check.verdict === 'verified' && isOfMerge) return change(engine, landing, { state: 'ready' })
  const how =
    check.error?.message ?? (check.verdict === 'verified' ? 'another tree was checked' : `it was ${check.status}`)
  return leave(
    engine,
    landing,
    'CHECK_FAILED',
    `with what is on the branch by now: ${how} (tdf logs ${check.id} --failed)`,
  )
}

async function move(
  engine: Engine,
  results: Pick<GitResults, 'of'>,
  landing: Landing,
  task: ReadTask,
  signal: AbortSignal,
) {
  const { source: remote, onto, tip, merged } = landing
  if (tip === null || merged === null) return leave(engine, landing, 'NO_RESULT', 'it was never merged')
  const repository = await results.of(task)
  const branch = onto.replace(/^refs\/heads\//, '')
  const token = tokenFor(engine.config.push, remote, engine.secrets)
  const pushed = await engine.servers.pushBranch(
    repository,
    { remote, branch, commitId: merged, pushedCommit: tip },
    token,
    signal,
  )
  if (signal.aborted) return
  if (pushed.kind === 'pushed') return change(engine, landing, { state: 'landed' })
  if (pushed.kind === 'failed') return again(engine, landing, pushed.why)
  const there = await engine.servers.remoteTip(repository, { remote, branch }, token, signal)
  if (signal.aborted) return
  if (there === null || there === tip) {
    return leave(
      engine,
      landing,
      'PUSH_FAILED',
      `${pushed.why}; a pull request may be allowed: tdf push ${task.id} --pr`,
    )
  }
  return mergeAnew(engine, landing, null)
}

/** The branch is elsewhere by now: at `tip`, where that is known. */
export async function mergeAnew(engine: Pick<Engine, 'store' | 'world'>, landing: Landing, tip: string | null) {
  const tries = landing.tries + 1
  if (tries > MOVES_MAX) return leave(engine, landing, 'MOVED', `its branch moved ${tries} times meanwhile`)
  return change(engine, landing, { state: 'waiting', tip, merged: null, checkTask: null, tries })
}

async function again(engine: Engine, landing: Landing, why: string): Promise<void> {
  const tries = landing.tries + 1
  if (tries > TRIES_MAX) return leave(engine, landing, 'PUSH_FAILED', why)
  await change(engine, landing, { tries, why, dueAt: engine.world.clock.now() + backoffMs(tries, BACKOFF) })
}

/** The branch of a folder was moved; the next of its lane is merged onto that. */
export async function settle(engine: Pick<Engine, 'store' | 'world'>, landing: Landing): Promise<void> {
  const { source, onto, merged } = landing
  await change(engine, landing, { state: 'landed' })
  await engine.store.commit(() => merged !== null && moveLane(engine.store.sql, source, onto, merged))
}

const leave = (engine: Pick<Engine, 'store' | 'world'>, landing: Landing, code: string, why: string) =>
  change(engine, landing, { state: 'left', code, why })

async function change(
  { store, world }: Pick<Engine, 'store' | 'world'>,
  landing: Landing,
  to: Parameters<typeof changeLanding>[2],
): Promise<void> {
  const now = world.clock.now()
  const { taskId, attempt, onto } = landing
  await store.commit(() => {
    if (!changeLanding(store.sql, landing, { ...(to.state ? { why: null, dueAt: now } : {}), ...to }, now)) return
    const { state } = to
    if (state !== 'landed' && state !== 'left') return
    const data = { state, onto, commit: to.merged ?? landing.merged, why: to.why ?? null }
    store.append({ type: 'task.landing', taskId, attempt, data }, now)
  })
}
