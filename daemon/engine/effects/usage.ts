/** What an attempt came to use, on the account of its task, and what others have used of its limit. */
import type { Task } from '../../../src/core/task.ts'
import { costOfOthers } from '../../../src/store/groups/groups.ts'
import { addSpending } from '../../../src/store/spending/spending.ts'
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { usagesBefore } from '../../../src/store/tables/attempts.ts'
import { sum, usageSince } from '../rules/usage.ts'
import { committedUsd } from './children.ts'

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

/**
 * What counts against the limit of a task beside what its own attempt has cost, in USD. Members of a race have one
 * limit together, and so have a task and all that agents handed over below it, each of which has a share of that.
 */
export function spentBefore(sql: Sql, { id, attempt, spec }: Pick<Task, 'id' | 'attempt' | 'spec'>): number {
  const own = attempt === 1 ? 0 : (sum(usagesBefore(sql, { id, attempt })).costUsd ?? 0)
  if (spec.maxCostUsd == null) return own
  if (spec.race) return own + costOfOthers(sql, id)
  return spec.maySpawn && spec.parent === undefined ? own + committedUsd(sql, id) : own
}
