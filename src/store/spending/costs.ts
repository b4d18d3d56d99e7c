/** What was spent, summed up by one of its sides for people and scripts. */
import type { CostKind } from '../../protocol/upkeep.ts'
import type { Sql } from '../sqlite/sql.ts'
import { quarterOf, type Spent } from './spending.ts'

/** `key` is null for what has none; `unpriced` are tasks whose agents said what they used, and not what it cost. */
export interface Costs extends Spent {
  key: string | null
  tasks: number
  unpriced: number
}

/** Labels that tell a task from others like it: a sum of one is no sum. */
const SINGLE = ['planned', 'late', 'issue']

/** A task has one set of labels, so that sets which become one key have no task in common. */
const GROUPED: Readonly<Record<CostKind, { by: string; keyOf(value: string): string }>> = {
  // The zone is that of the process.
  day: { by: `strftime('%Y-%m-%d', at / 1000, 'unixepoch', 'localtime')`, keyOf: value => value },
  label: { by: 'labels', keyOf: labelsText },
  agent: { by: 'agent', keyOf: value => value },
  model: { by: 'model', keyOf: value => value },
  node: { by: 'node', keyOf: value => value },
  schedule: { by: `coalesce(json_extract(labels, '$.schedule'), '')`, keyOf: value => value },
}

/** From `since` on, Unix ms. Without `by` one row, also when nothing was spent. */
export function readCosts(sql: Sql, since: number, by?: CostKind): Costs[] {
  const group = by && GROUPED[by]
  const rows = sql.all(
    `select key, ${SUMS} from (select ${group?.by ?? "''"} as key, ${OF_ONE} from spending where at >= ? group by 1, task_id)
     group by 1 order by 1`,
    quarterOf(since),
  )
  const found = new Map<string, Costs>()
  for (const row of rows) {
    const key = group?.keyOf(String(row.key)) ?? ''
    const costs: Costs = {
      key: key === '' ? null : key,
      tasks: Number(row.tasks),
      inputTokens: Number(row.input ?? 0),
      outputTokens: Number(row.output ?? 0),
      costUsd: typeof row.cost === 'number' ? row.cost : null,
      machineCost: Number(row.machines ?? 0),
      unpriced: Number(row.unpriced),
    }
    const before = found.get(key)
    found.set(key, before ? both(before, costs) : costs)
  }
  if (found.size === 0 && !by) return [NOTHING]
  // What has no key comes last.
  return [...found.values()].sort((a, b) => ((a.key ?? '\uffff') < (b.key ?? '\uffff') ? -1 : 1))
}

const NOTHING: Costs = {
  key: null,
  tasks: 0,
  inputTokens: 0,
  outputTokens: 0,
  costUsd: null,
  machineCost: 0,
  unpriced: 0,
}

/** A task whose cost became known later has no unknown one. */
const OF_ONE = `nullif(task_id, '') as task, sum(input_tokens) as input, sum(output_tokens) as output, sum(cost_usd) as cost,
  sum(machine_cost) as machines`
const SUMS = `count(task) as tasks, sum(input) as input, sum(output) as output, sum(cost) as cost, sum(machines) as machines,
  sum(cost is null and input + output > 0) as unpriced`

function both(one: Costs, other: Costs): Costs {
  const isKnown = one.costUsd !== null || other.costUsd !== null
  return {
    key: one.key,
    tasks: one.tasks + other.tasks,
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    costUsd: isKnown ? (one.costUsd ?? 0) + (other.costUsd ?? 0) : null,
    machineCost: one.machineCost + other.machineCost,
    unpriced: one.unpriced + other.unpriced,
  }
}

/** What wrote the column was a record of texts. */
function labelsText(json: string): string {
  const labels = Object.entries(JSON.parse(json) as Record<string, string>)
  const shown = labels.filter(([name]) => !SINGLE.includes(name)).map(([name, value]) => `${name}=${value}`)
  return shown.sort().join(',')
}

/** Names of the agents of which what they cost is not known, from `since` on. */
export function unpricedAgents(sql: Sql, since: number): string[] {
  const query = `select agent from spending where at >= ? group by agent, task_id
    having sum(cost_usd) is null and sum(input_tokens + output_tokens) > 0`
  return [...new Set(sql.all(query, quarterOf(since)).map(row => String(row.agent)))].sort()
}
