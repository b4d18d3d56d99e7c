/** What an attempt came to use, on the account of its task. */
import type { Task } from '../../../src/core/task.ts'
import { addSpending } from '../../../src/store/spending/spending.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { usageSince } from '../rules/usage.ts'

/**
 * Inside the write that stores `task` over what was `seen`: the difference of their sums, so that a report which comes again
 * adds nothing, and all that is on record of an attempt is its sum. The agent is the one that the task had until now.
 */
export function recordUsage(sql: Sql, seen: Task, task: Task, now: number): void {
  if (task.usage === seen.usage) return
  const used = usageSince(seen.usage, task.usage)
  if (used === null) return
  const { agent, labels } = seen.spec
  const spender = {
    taskId: task.id,
    attempt: task.attempt,
    agent: agent.name,
    model: task.facts.session?.model ?? agent.model ?? '',
    node: seen.nodeName ?? '',
    labels,
  }
  addSpending(sql, spender, { ...used, machineCost: 0 }, now)
}
