/** Makes an attempt due now: what was put into its inbox is read at once. */
import type { AttemptKey } from '../../../src/core/task.ts'
import { wakeAttempt } from '../../../src/store/tables/attempts.ts'
import { suspectNode } from '../../../src/store/tables/nodes.ts'
import type { Engine } from '../../services.ts'
import { nodeSubject, taskSubject } from '../loop.ts'

/** Inside a write: the node's journey asks now who it is. */
export function lookAtNode({ store, loop }: Pick<Engine, 'store' | 'loop'>, name: string, now: number): void {
  if (suspectNode(store.sql, name, now)) store.afterCommit(() => loop.schedule(nodeSubject(name), now))
}

/** Inside a write. Nothing happens to an attempt that is over. */
export function pullWake(
  { store, loop, justWritten }: Pick<Engine, 'store' | 'loop' | 'justWritten'>,
  { id, attempt }: AttemptKey,
  now: number,
): void {
  if (!wakeAttempt(store.sql, { id, attempt }, now)) return
  const subject = taskSubject({ id, attempt })
  store.afterCommit(() => {
    // What was kept of it was written before this was said.
    justWritten.delete(subject)
    loop.schedule(subject, now)
  })
}
