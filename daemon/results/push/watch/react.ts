/** Hands what is red to the agent: the facts are gathered outside, then one write opens the attempt and remembers why. */
import { TdfError } from '../../../../src/core/errors.ts'
import { resultRefOf, type Task } from '../../../../src/core/task.ts'
import { readNewestAttempt } from '../../../../src/store/tables/attempts.ts'
import { changeWatch, movePush, type Push, type Watch } from '../../../../src/store/tables/pushes.ts'
import { watchWaits } from '../../../../src/text/progress/pull-requests.ts'
import { openContinued } from '../../../engine/attempts.ts'
import type { ContinueRequest } from '../../../engine/rules/continuing.ts'
import { announceWatch } from '../../../reporting/notices/announce.ts'
import type { Engine } from '../../../services.ts'
import type { GitResults } from '../../git-results.ts'
import { isThere, mergeOf, nameStart } from '../../merge.ts'
import type { Repository } from '../../repository.ts'
import type { Looking } from './gh.ts'
import { readLog } from './github.ts'
import { endOf, LOGS_MAX, promptFor } from './prompt.ts'
import { recordWatch } from './request.ts'
import { afterReaction, type WatchDecision } from './rules.ts'
import type { PullView } from './view.ts'

type Reaction = Extract<WatchDecision, { kind: 'react' }>

/** What a reaction is made from, besides its reasons. */
export interface Scene extends Looking {
  engine: Engine
  results: Pick<GitResults, 'of'>
  watch: Watch
  /** With what this look has changed. */
  now: Watch
  task: Task
  push: Push
  view: PullView
}

/** Throws FORGE_UNAVAILABLE while something that is needed cannot be read. */
export async function react(scene: Scene, reaction: Reaction): Promise<void> {
  const { engine, watch, now, task, push, view } = scene
  const logs = await logsOf(scene, reaction)
  const repository = await scene.results.of(task)
  const start = await startOf(scene, repository, reaction)
  const { red, fingerprint } = reaction
  const told = { url: watch.url, round: now.round + 1, rounds: now.rounds, red, still: now.still, logs }
  const request: ContinueRequest = {
    key: `pr-${fingerprint}`,
    hash: fingerprint,
    change: {
      prompt: promptFor({ ...told, merged: start.merged }),
      outputBranch: push.branch,
      push: { remote: push.remote, pr: false },
      // Nobody is there to close its session.
      interactive: false,
    },
    ...(start.onto ? { onto: start.onto } : {}),
  }
  const at = engine.world.clock.now()
  await engine.store.commit(() => {
    const newest = readNewestAttempt(engine.store.sql, task.id)
    // It was continued, retried or removed meanwhile: the next look sees how that stands.
    if (newest?.attempt !== task.attempt) return
    const { attempt } = openContinued(engine, newest, request)
    movePush(engine.store.sql, task.id, view.head)
    const change = { ...changedIn(now), ...afterReaction(now, reaction), state: 'reacting' as const, attempt }
    if (!changeWatch(engine.store.sql, watch, { ...change, waitingFor: watchWaits.attempt(attempt) }, at)) {
      throw new TdfError('WRONG_STATE', `the watch of ${task.id} was changed meanwhile`)
    }
    recordWatch(engine, task.id, at)
  })
}

/** What a row may be given anew. */
export function changedIn({ taskId: _taskId, rev: _rev, ...change }: Watch): Omit<Watch, 'taskId' | 'rev'> {
  return change
}

/** A log that cannot be had takes nothing from the rest. */
async function logsOf(scene: Scene, { red }: Reaction): Promise<Map<string, string>> {
  const { place, allowance, signal, engine } = scene
  const logs = new Map<string, string>()
  for (const { name, log, job } of red.failing.slice(0, LOGS_MAX)) {
    if (log !== null) logs.set(name, endOf(log))
    if (log !== null || job === null) continue
    const read = readLog({ place, allowance, signal, now: () => engine.world.clock.now() }, job)
    const text = await read.catch(error => {
      signal.throwIfAborted()
      engine.log.warn({ task: place.taskId, check: name, err: String(error) }, 'the log of a check cannot be read')
      return ''
    })
    if (text !== '') logs.set(name, endOf(text))
  }
  return logs
}

interface Start {
  /** Undefined: what was saved last is what is on the branch. */
  onto?: NonNullable<ContinueRequest['onto']>
  merged: { base: string; files: string[] } | null
}

/** The commit that the attempt begins from: the head of the branch, and over a conflict its merge with the base. */
async function startOf(scene: Scene, repository: Repository, { red }: Reaction): Promise<Start> {
  const { task, push, view, place, signal, watch } = scene
  const own = task.facts.salvage?.commit
  const ref = resultRefOf(task.id, task.attempt)
  const base = red.isConflict ? view.base : null
  if (base === null && own === view.head) return { merged: null }
  if (!(await isThere(repository, view.head))) {
    await scene.engine.servers.fetchBranch(repository, place, push.branch, `${ref}-head`, signal)
  }
  const merged = base === null ? null : await mergedWith(base)
  const commit = merged?.commit ?? view.head
  const start = await nameStart(repository, ref, commit)
  const from = merged === null ? {} : { baseCommit: merged.theirs }
  return { onto: { ref: start, commit, ...from }, merged: merged && { base: base ?? '', files: merged.files } }

  async function mergedWith(base: string) {
    const theirs = await scene.engine.servers.fetchBranch(repository, place, base, `${ref}-base`, signal)
    return { ...(await mergeOf(repository, { ours: view.head, theirs, base }, watch.seenAt)), theirs }
  }
}

/** Inside a write: a watch that has ended; a person is told where something is left to them. */
export function end(scene: Pick<Scene, 'engine' | 'watch' | 'now' | 'task'>, state: Watch['state'], why: string): void {
  const { engine, watch, now, task } = scene
  const at = engine.world.clock.now()
  const change = { ...changedIn(now), state, waitingFor: why }
  if (!changeWatch(engine.store.sql, watch, change, at)) return
  recordWatch(engine, watch.taskId, at)
  if (state === 'needs_you' || state === 'closed' || state === 'stopped') announceWatch(engine, task, why, at)
}
