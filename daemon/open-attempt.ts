/** Opens an attempt: the row from which everything else follows. Opening one that is there changes nothing. */
import { insertAttempt } from '../src/store/attempts.ts'
import type { Sql } from '../src/store/sql.ts'
import { raiseAttempt, taskNumber } from '../src/store/tasks.ts'
import type { Facts, Task, TaskSpec } from '../src/task.ts'
import type { Engine } from './deps.ts'
import { credentialOf } from './governor.ts'
import type { Wish } from './place.ts'
import { WAITING_FOR_SLOT } from './steps/node-selection.ts'
import { taskSubject } from './subjects.ts'

/** Marks the attempts that this engine manages. */
export const ENGINE_VERSION = 1

/** Inside a write: the attempt after `task`, or attempt 1 of a task that was just inserted. */
export function openAttempt(
  engine: Engine,
  task: { id: string; attempt: number; spec: TaskSpec },
  now: number,
  facts: Facts = {},
): void {
  const { sql } = engine.store
  const attempt = task.attempt + 1
  const opened = { ...freshAttempt(task.id, attempt, task.spec, now, now + engine.config.runner.queueTimeout), facts }
  if (!insertAttempt(sql, opened)) return
  if (attempt > 1) raiseAttempt(sql, task.id, attempt)
  const about = { taskId: task.id, attempt, step: 'node_selection' }
  engine.store.append({ type: 'task.status', ...about, data: { from: null, to: 'queued', reason: 'submitted' } }, now)
  engine.store.append({ type: 'task.step', ...about, data: { from: null, to: 'node_selection', ms: 0 } }, now)
  const wish = wishOf(sql, opened)
  engine.store.afterCommit(() => {
    engine.queue.add(wish)
    engine.loop.schedule(taskSubject(opened), opened.wakeAt)
  })
  engine.placementChanged()
}

export function wishOf(sql: Sql, { id, attempt, spec }: Pick<Task, 'id' | 'attempt' | 'spec'>): Wish {
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
    credential: credentialOf(spec),
    reserved: null,
  }
}

/** A fresh attempt sleeps to the end of its patience: the placement pass wakes it with a slot. */

function freshAttempt(id: string, attempt: number, spec: TaskSpec, now: number, deadlineAt: number): Task {
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
    waitingFor: WAITING_FOR_SLOT,
    parkedUntil: null,
    placement: 1,
    nodeName: null,
    workspaceId: null,
    sessionId: null,
    facts: {},
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
