/** Signals: what a task was told, it has read, or a try that will read it is near. */

import type { Step, Task } from '../../../src/core/task.ts'
import { openSignals, type Signal, type SignalKind } from '../../../src/store/tables/inbox.ts'
import { type Check, describe, type Seen } from '../seen.ts'

/** What each step is there to hear. */
const READS: Partial<Record<Step, readonly SignalKind[]>> = {
  workspace_ready: ['workspace_ready', 'provisioning_failed'],
  running: ['session_exited'],
  awaiting_followup: ['followup', 'close'],
}

export const signalInvariants: Record<string, Check> = {
  'nothing that a task was told is left unread': seen =>
    seen.isBusy
      ? []
      : seen.live.flatMap(task => {
          const unread = openSignals(seen.sql, task).find(
            signal => isMeantFor(signal, task) && !isReadByNextTry(seen, task, signal),
          )
          return unread ? [`${describe(task)} has not read ${unread.kind}`] : []
        }),
}

function isMeantFor({ kind, payload }: Signal, { step, sessionId }: Task): boolean {
  const isForStep = step !== null && (READS[step] ?? []).includes(kind)
  return isForStep && (kind !== 'session_exited' || payload.sessionId === sessionId)
}

/**
 * Some news is of use only with an answer of the node's agent, which may not come: then the task stays where it is and
 * asks again after `retry_max_delay` at the latest, far sooner than it would look without news.
 */
function isReadByNextTry({ sim, now }: Seen, task: Task, { kind }: Signal): boolean {
  const isOfAgent = kind === 'followup' || (kind === 'session_exited' && task.spec.agent.type !== 'command')
  return isOfAgent && task.wakeAt !== null && task.wakeAt - now <= sim.out.config.runner.retryMaxDelay
}
