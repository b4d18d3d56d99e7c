/**
 * What was spent: a row for each quarter of an hour in which the agent of an attempt, or a machine, cost something. Rows are
 * added to in the transaction that records what they count, and stay when their task is removed.
 */
import type { Usage } from '../../core/task.ts'
import type { Sql, Value } from '../sqlite/sql.ts'

/** The offsets of all zones are multiples of it, so that a row is within one day of any. */
export const QUARTER_MS = 15 * 60_000

/** Whom it is counted to. A machine on which no task was has neither task nor agent, and no labels. */
export interface Spender {
  taskId: string
  attempt: number
  agent: string
  model: string
  node: string
  labels: Readonly<Record<string, string>>
}

/** `machineCost` is in the currency of the provider; a cost of null is not known. What was counted too much is below 0. */
export interface Spent extends Usage {
  machineCost: number
}

/** Inside a write: adds to what was spent at `at`, Unix ms. */
export function addSpending(sql: Sql, spender: Spender, spent: Spent, at: number): void {
  const { taskId, attempt, agent, model, node, labels } = spender
  const { inputTokens, outputTokens, costUsd, machineCost } = spent
  const who: Value[] = [taskId, attempt, agent, model, node, quarterOf(at), JSON.stringify(labels)]
  sql.run(ADD, ...who, inputTokens, outputTokens, costUsd, machineCost)
}

const ADD = `insert into spending
    (task_id, attempt, agent, model, node, at, labels, input_tokens, output_tokens, cost_usd, machine_cost)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict do update set
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cost_usd = coalesce(cost_usd + excluded.cost_usd, cost_usd, excluded.cost_usd),
    machine_cost = machine_cost + excluded.machine_cost`

export const quarterOf = (at: number): number => Math.floor(at / QUARTER_MS) * QUARTER_MS

export interface Total {
  costUsd: number
  machineCost: number
}

/** What was spent at `since` (Unix ms) or later: by all, or by tasks with one label. A cost that is not known counts as 0. */
export function spentSince(sql: Sql, since: number, label?: { key: string; value: string }): Total {
  const row = label
    ? sql.one(`${TOTAL} and json_extract(labels, '$."' || ? || '"') = ?`, quarterOf(since), label.key, label.value)
    : sql.one(TOTAL, quarterOf(since))
  return { costUsd: Number(row?.cost ?? 0), machineCost: Number(row?.machines ?? 0) }
}

/** What the agents of a task have cost, also of one that was removed, in USD. */
export const spentByTask = (sql: Sql, taskId: string): number =>
  Number(sql.one('select sum(cost_usd) as cost from spending where task_id = ?', taskId)?.cost ?? 0)

const TOTAL = 'select sum(cost_usd) as cost, sum(machine_cost) as machines from spending where at >= ?'
