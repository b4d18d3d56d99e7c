/**
 * One transaction for one outcome: task, journal, used signals, outbox, and whatever else the decision asks for. Also
 * keeps what the loop and the placement pass know in step with what was committed.
 */
import { credentialOf, type Task } from '../../src/core/task.ts'
import { callbackToken, hashToken } from '../../src/platform/tokens.ts'
import { type ReadTask, updateAttempt } from '../../src/store/tables/attempts.ts'
import { addCleanup } from '../../src/store/tables/cleanups.ts'
import { consumeSignals, type Signal } from '../../src/store/tables/inbox.ts'
import { issueToken, raiseLimit } from '../../src/store/tables/meta.ts'
import { post } from '../../src/store/tables/outbox.ts'
import { dropReservation, placeWorkspace, setWorkspaceStatus } from '../../src/store/tables/slots.ts'
import { announce } from '../reporting/announce.ts'
import { failureReport } from '../reporting/failures.ts'
import { pushAfter } from '../results/push/request.ts'
import type { Engine } from '../services.ts'
import { openAttempt, placementRequest } from './attempts.ts'
import { taskSubject } from './loop.ts'
import type { Transition, Write } from './rules/transition.ts'
import { holdNode } from './save-node.ts'

/** A parked task rests at the same step and asks for no slot. */
const isQueued = ({ step, status }: Task) => step === 'node_selection' && status === 'queued'

/**
 * Inside a write. False when somebody moved the task since it was read: then nothing was changed. `signals` are those
 * that the outcome was made from, where they were read with `seen`.
 */
export function save(
  engine: Engine,
  seen: ReadTask,
  decided: Transition,
  uses: readonly number[],
  signals?: readonly Signal[],
): boolean {
  const { store, loop, world, queue } = engine
  const now = world.clock.now()
  const { task } = decided
  const stored = updateAttempt(store.sql, seen, task, now)
  if (!stored) return false
  for (const event of decided.events) engine.store.append(event, now)
  consumeSignals(store.sql, uses)
  for (const write of decided.writes) applyWrite(engine, task, write, now)
  announce(engine, seen, decided, now)
  if (decided.failure) post(store.sql, failureReport(engine, seen, decided.failure, now))
  const request = !isQueued(seen) && isQueued(task) ? placementRequest(store.sql, task) : null
  if (request) engine.placementChanged()
  store.afterCommit(() => {
    const subject = taskSubject(task)
    if (stored.wakeAt !== null && stored.wakeAt <= now) {
      // Nobody has told it anything since, unless it was woken.
      const left = stored.wakes === seen.wakes ? signals?.filter(({ id }) => !uses.includes(id)) : undefined
      engine.justWritten.set(subject, { task: stored, signals: left })
    }
    loop.schedule(subject, stored.wakeAt)
    if (request) queue.add(request)
    else if (isQueued(seen) && !isQueued(task)) queue.remove(task)
  })
  return true
}

/** What a decision writes beside the task itself, one function a kind. */

type WriteOf<Kind extends Write['kind']> = Extract<Write, { kind: Kind }>
type Apply<Kind extends Write['kind']> = (engine: Engine, task: Task, write: WriteOf<Kind>, now: number) => void

/** Inside a write. Throws PLACEMENT_LOST when the slot is gone. */
export function applyWrite(engine: Engine, task: Task, write: Write, now: number): void {
  // The table gives each kind its own function; the compiler cannot see that the two kinds are the same.
  const apply = APPLY[write.kind] as Apply<Write['kind']>
  apply(engine, task, write, now)
}

const APPLY: { [Kind in Write['kind']]: Apply<Kind> } = {
  place({ store, install }, task, { nodeName }, now) {
    if (task.workspaceId === null) return
    const { id: taskId, attempt, placement, workspaceId } = task
    placeWorkspace(store.sql, { id: workspaceId, taskId, attempt, placement, nodeName, status: 'creating' }, now)
    issueToken(store.sql, hashToken(callbackToken(install, task)), {
      scope: 'workspace',
      subject: workspaceId,
      taskId,
      attempt,
    })
  },
  workspace_status({ store }, task, { status }) {
    if (task.workspaceId !== null) setWorkspaceStatus(store.sql, task.workspaceId, status)
  },
  cleanup({ store }, task, { items, workspaceId, nodeName }, now) {
    for (const kind of items) {
      const { id, attempt } = task
      addCleanup(store.sql, { id, attempt, kind, nodeName, subject: workspaceId, dueAt: now })
    }
  },
  drop_reservation(engine, task) {
    if (dropReservation(engine.store.sql, task)) engine.placementChanged()
  },
  hold_node: (engine, task, _write, now) => holdNode(engine, task.nodeName, now),
  limit: ({ store }, task, { until }, now) => raiseLimit(store.sql, credentialOf(task.spec), until, now),
  next_attempt: (engine, task, _write, now) => openAttempt(engine, task, now),
  push: (engine, task, _write, now) => pushAfter(engine, task, now),
}
