/** Opens an attempt, the row from which everything else follows, also for `tdf continue`. */

import { TdfError } from '../../src/core/errors.ts'
import { isQueued } from '../../src/core/facts.ts'
import { type AttemptKey, doneBy, type ResumeFacts, type Task, type TaskSpec } from '../../src/core/task.ts'
import type { Sql } from '../../src/store/sqlite/sql.ts'
import { findContinued, insertAttempt, type ReadTask, readAttempts } from '../../src/store/tables/attempts.ts'
import { isPending } from '../../src/store/tables/cleanups.ts'
import { addSignal, consumeSignals, findFollowup, openSignals } from '../../src/store/tables/inbox.ts'
import { raiseAttempt, taskNumber } from '../../src/store/tables/tasks.ts'
import { taskWaits } from '../../src/text/waiting.ts'
import { accountsOf, type PlacementRequest } from '../placement/place.ts'
import type { Engine } from '../services.ts'
import { standing } from './effects/release.ts'
import { spentBefore } from './effects/usage.ts'
import { taskSubject } from './loop.ts'
import {
  type ContinueRequest,
  changeFor,
  continuedFrom,
  isAwaited,
  lastSaved,
  refuseOpen,
  refuseSpent,
} from './rules/continuing.ts'

/** Marks the attempts that this engine manages. */
export const ENGINE_VERSION = 1

/** The attempt before, or what there is of it when there was none. */
type Former = Pick<Task, 'id' | 'attempt' | 'spec'> & Partial<Pick<Task, 'status' | 'continued' | 'facts'>>

export interface Opening {
  /** What it goes on from, where that is not what the former one went on from. */
  resume?: ResumeFacts
  /** It is continued by words of its own; without, it is asked what the former one was. */
  continued?: NonNullable<Task['continued']>
  /** Of the request that continues it. */
  key?: string
}

/** Inside a write: the attempt after `task`, or attempt 1 of a task that was just inserted. One that is there stays. */
export function openAttempt(engine: Engine, task: Former, now: number, how: Opening = {}): void {
  const { sql } = engine.store
  const attempt = task.attempt + 1
  const continued = how.continued ?? task.continued ?? null
  const spec = { ...doneBy(task.spec, task.spec.firstAgent?.name), ...continued?.change }
  const resume = how.resume ?? continued?.from ?? task.spec.base
  const fresh = freshAttempt(task.id, attempt, spec, now, now + engine.config.runner.queueTimeout)
  // A higher limit stays, unless another one is asked for.
  const limitUsd = how.continued ? undefined : task.facts?.limitUsd
  const facts = { ...(resume ? { resume } : {}), ...(limitUsd === undefined ? {} : { limitUsd }) }
  const opened = standing(engine, { ...fresh, continued, facts }, now)
  if (!insertAttempt(sql, opened, how.key)) return
  if (attempt > 1) {
    raiseAttempt(sql, task.id, attempt)
    carryFollowups(sql, task, now)
  }
  const about = { taskId: task.id, attempt, step: 'node_selection' }
  // The status of the attempt before goes with it: a count of ended tasks has one less.
  const before = task.status === undefined ? {} : { before: task.status }
  const data = { from: null, to: 'queued', reason: 'submitted', ...before }
  engine.store.append({ type: 'task.status', ...about, data }, now)
  engine.store.append({ type: 'task.step', ...about, data: { from: null, to: 'node_selection', ms: 0 } }, now)
  const request = placementRequest(sql, opened)
  engine.store.afterCommit(() => {
    if (isQueued(opened)) engine.queue.add(request)
    engine.loop.schedule(taskSubject(opened), opened.wakeAt)
  })
  engine.placementChanged()
}

/**
 * Inside a write: what the same request has led to before, an attempt of its own or a delivery to one that ran; undefined
 * for a new one. Throws IDEMPOTENCY_CONFLICT when it asked for something else.
 */
export function knownContinue(
  { store: { sql } }: Pick<Engine, 'store'>,
  { id, step }: ReadTask,
  { key, hash, change }: ContinueRequest,
): AttemptKey | undefined {
  const known = findContinued(sql, id, key)
  const sent = findFollowup(sql, id, key)
  const isOther = (known && known.continued?.hash !== hash) || (sent && sent.text !== change.prompt)
  if (isOther) {
    const message = `the key "${key}" was used for task ${id} with something else`
    throw new TdfError('IDEMPOTENCY_CONFLICT', message, { hint: `tdf show ${id}` })
  }
  if (known) return { id, attempt: known.attempt }
  // What an attempt ended without was never read.
  return sent && (sent.isUsed || step !== null) ? { id, attempt: sent.attempt } : undefined
}

/** Inside a write: opens the attempt. Throws WRONG_STATE or NO_RESULT; then nothing was changed. */
export function openContinued(engine: Engine, last: ReadTask, request: ContinueRequest): AttemptKey {
  const { sql } = engine.store
  const { id } = last
  refuseOpen(last)
  const change = changeFor(last, request)
  const saved = lastSaved(
    id,
    readAttempts(sql, id),
    attempt => isAwaited(attempt) && isPending(sql, attempt, 'salvage'),
  )
  const next = last.attempt + 1
  const maxCostUsd = change.maxCostUsd ?? null
  refuseSpent(last, maxCostUsd, spentBefore(sql, { id, attempt: next, spec: { ...last.spec, maxCostUsd } }))
  const unread = findFollowup(sql, id, request.key)
  // The attempt is told the same now, and once is enough.
  if (unread) consumeSignals(sql, [unread.signalId])
  const how = { continued: continuedFrom(saved, request, change), key: request.key }
  openAttempt(engine, last, engine.world.clock.now(), how)
  return { id, attempt: next }
}

/** What the task was told and no agent of the former attempt got is for this one's. */
function carryFollowups(sql: Sql, former: { id: string; attempt: number }, now: number): void {
  const { id } = former
  const attempt = former.attempt + 1
  for (const { kind, payload } of openSignals(sql, former)) {
    // An answer to a question is for the agent that asked it, and a higher limit for what was spent then.
    if (kind !== 'followup' || payload.requestId !== undefined || payload.maxCostUsd !== undefined) continue
    addSignal(sql, { id, attempt, kind, dedupe: `followup:${id}:${payload.deliveryId}:${attempt}`, payload }, now)
  }
}

export function placementRequest(
  sql: Sql,
  { id, attempt, spec }: Pick<Task, 'id' | 'attempt' | 'spec'>,
): PlacementRequest {
  const { priority, node, provider, size, location } = spec
  return {
    id,
    attempt,
    priority,
    number: taskNumber(sql, id),
    node,
    provider,
    size,
    location,
    ...accountsOf(spec),
    labels: spec.labels,
    reserved: null,
  }
}

/** A fresh attempt sleeps to the end of `queue_timeout`: the placement pass wakes it with a slot. */
export function freshAttempt(id: string, attempt: number, spec: TaskSpec, now: number, deadlineAt: number): Task {
  return {
    id,
    attempt,
    rev: 0,
    spec,
    status: 'queued',
    step: 'node_selection',
    stepEnteredAt: now,
    stepAttempt: 1,
    wakeAt: deadlineAt,
    deadlineAt,
    absoluteAt: null,
    waitingFor: taskWaits.slot(),
    parkedUntil: null,
    placement: 1,
    nodeName: null,
    workspaceId: null,
    sessionId: null,
    facts: {},
    continued: null,
    verdict: null,
    result: null,
    usage: null,
    error: null,
    cleanup: null,
    engineVersion: ENGINE_VERSION,
    createdAt: now,
    startedAt: null,
    completedAt: null,
    updatedAt: now,
  }
}
