/** What agents ask for on behalf of their tasks, as it comes in, and what the tasks that they handed over may cost. */
import { isOver, isTerminal } from '../../../src/core/task.ts'
import type { AgentRequest, CallbackAnswer } from '../../../src/protocol/callbacks.ts'
import { addCall, callAmount, changeCall, descendantsOf, readCall } from '../../../src/store/groups/children.ts'
import { spentByTask } from '../../../src/store/spending/spending.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { readAttempt, readNewestAttempt, usagesUntil } from '../../../src/store/tables/attempts.ts'
import { readWorkspace } from '../../../src/store/tables/slots.ts'
import type { Engine } from '../../services.ts'
import { sum } from '../rules/usage.ts'

/** Of one workspace: what its node may make of calls is bounded here, whatever it bounds itself. */
const CALLS_MAX = 2_000
const CHARACTERS_MAX = 16 * 1024 * 1024

/**
 * Inside a write: stores the call of an agent, once. It counts for the session that its task runs in now, and for a task with
 * `--may-spawn` alone.
 */
export function receiveRequest(engine: Engine, workspaceId: string, request: AgentRequest): CallbackAnswer {
  const { sql } = engine.store
  const now = engine.world.clock.now()
  const { requestId, sessionId, tool, input } = request
  const workspace = readWorkspace(sql, workspaceId)
  const task = workspace && readAttempt(sql, { id: workspace.taskId, attempt: workspace.attempt })
  if (!workspace || !task || isTerminal(task.status)) return refuse('the run is over')
  if (!task.spec.maySpawn) return refuse('its task may hand nothing over')
  if (task.workspaceId !== workspaceId || task.sessionId !== sessionId) return refuse('another session runs by now')
  const known = readCall(sql, workspaceId, requestId)
  // Who asks again has lost the answer.
  if (known?.state === 'delivered') changeCall(sql, known, { state: 'answered', dueAt: now, tries: 0 })
  if (known) return { accepted: true }
  const { calls, characters } = callAmount(sql, workspaceId)
  if (calls >= CALLS_MAX || characters > CHARACTERS_MAX) return refuse('its agent has asked for too much')
  addCall(sql, { workspaceId, requestId, taskId: task.id, attempt: task.attempt, sessionId, tool, input, at: now })
  return { accepted: true }
}

const refuse = (reason: string): CallbackAnswer => ({ accepted: false, reason })

/** What the tasks below one have cost, and what those that go on may still cost, in USD. */
export function committedUsd(sql: Sql, root: string): number {
  let usd = 0
  for (const id of descendantsOf(sql, root)) {
    const task = readNewestAttempt(sql, id)
    if (!task) {
      usd += spentByTask(sql, id)
      continue
    }
    const spent = sum(usagesUntil(sql, task)).costUsd ?? 0
    usd += isOver(task) ? spent : Math.max(spent, task.spec.maxCostUsd ?? 0)
  }
  return usd
}
