/** What a decision writes beside the task itself, one function a kind. */
import type { Task } from '../../../src/core/task.ts'
import { callbackToken, hashToken } from '../../../src/platform/tokens.ts'
import { addCleanup } from '../../../src/store/tables/cleanups.ts'
import { issueToken, raiseLimit } from '../../../src/store/tables/meta.ts'
import { dropReservation, placeWorkspace, setWorkspaceStatus } from '../../../src/store/tables/slots.ts'
import { grant } from '../../placement/budgets.ts'
import { pushAfter } from '../../results/push/request.ts'
import type { Engine } from '../../services.ts'
import { openAttempt } from '../attempts.ts'
import { resumedAgain, type Write } from '../rules/transition.ts'
import { holdNode } from '../save-node.ts'

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
  // An agent may name any time; the account is every task's.
  limit: ({ store, config: { runner } }, _task, { credential, until }, now) =>
    raiseLimit(store.sql, credential, Math.min(until, now + runner.usageLimitMax), now),
  grant: (engine, task, _write, now) => grant(engine, task.spec.labels, now),
  next_attempt(engine, task, _write, now) {
    const resume = resumedAgain(task)
    openAttempt(engine, task, now, resume ? { resume } : {})
  },
  push: (engine, task, _write, now) => pushAfter(engine, task, now),
}
