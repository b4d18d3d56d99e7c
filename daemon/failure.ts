/** A failure as it is put on record: what happened, where, and how everything around it stood. Never a prompt or a token. */
import type { TdfError } from '../src/errors.ts'
import { lastSignals } from '../src/store/inbox.ts'
import { readNode } from '../src/store/nodes.ts'
import type { OutboxItem } from '../src/store/outbox.ts'
import { readWorkspace } from '../src/store/slots.ts'
import type { Task } from '../src/task.ts'
import type { Engine } from './deps.ts'

const LAST_SIGNALS = 5

/** An outbox row that becomes a row of the observability database; its id makes a second copy the same row. */
export function failureReport(
  { store }: Pick<Engine, 'store'>,
  task: Task,
  failure: { error: TdfError; final: boolean },
  now: number,
): Omit<OutboxItem, 'tries'> {
  const { error, final } = failure
  const node = task.nodeName === null ? undefined : readNode(store.sql, task.nodeName)
  const workspace = task.workspaceId === null ? undefined : readWorkspace(store.sql, task.workspaceId)
  const signals = lastSignals(store.sql, task, LAST_SIGNALS)
  return {
    id: `err-${task.id}-${task.attempt}-${task.rev}`,
    kind: 'error',
    dueAt: now,
    payload: {
      at: now,
      level: final ? 'error' : 'warn',
      source: 'engine',
      taskId: task.id,
      step: task.step,
      code: error.code,
      message: error.message,
      context: {
        attempt: task.attempt,
        stepAttempt: task.stepAttempt,
        status: task.status,
        inStepMs: now - task.stepEnteredAt,
        class: error.class,
        final,
        node: node && { name: node.name, status: node.status, waitingFor: node.waitingFor },
        workspace: workspace && { id: workspace.id, status: workspace.status },
        session: task.facts.session ?? null,
        lastCallbacks: signals.map(({ kind, at }) => ({ kind, at: new Date(at).toISOString() })),
        ...(error.code === 'BUG' ? { stack: error.stack?.slice(0, 4000) } : {}),
      },
    },
  }
}
