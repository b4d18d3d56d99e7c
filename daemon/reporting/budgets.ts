/** How far budgets are used: each for `tdf doctor`, with the agents that they cannot count; the nearest to its limit for the dashboard. */
import type { Config } from '../../src/config/schema/config.ts'
import type { BudgetJson } from '../../src/protocol/screen.ts'
import type { FindingJson } from '../../src/protocol/upkeep.ts'
import { budgetText } from '../../src/text/progress/budgets.ts'
import { tellsCost } from '../api/tasks/agents.ts'
import { hasBudgets, machinesThisMonth, raisedLimit, standings } from '../placement/budgets.ts'
import type { Engine } from '../services.ts'

export function checkBudgets(engine: Engine): FindingJson[] {
  if (!hasBudgets(engine.config)) return []
  const found = standings(engine, engine.world.clock.now()).map((standing): FindingJson => {
    const { spentUsd, limitUsd, isUsed } = standing
    const isNear = spentUsd >= limitUsd * engine.config.budgets.warnAt
    const state = isUsed || isNear ? 'warn' : 'ok'
    const message = `of the ${budgetText(standing)} $${spentUsd.toFixed(2)} are spent`
    return { check: 'budget', state, message, hint: state === 'ok' ? null : 'tdf cost --by day' }
  })
  const unpriced = unpricedIn(engine.config)
  if (unpriced.length === 0) return found
  const message = `what ${unpriced.join(', ')} cost is not known: budgets count their machines alone; give [agents.${unpriced[0]}] its input_price and output_price`
  return [...found, { check: 'budget', state: 'warn', message, hint: 'tdf config example' }]
}

/** The budget of which the largest share is used; null where none is set. */
export function nearestBudget({ store, config }: Pick<Engine, 'store' | 'config'>, now: number): BudgetJson | null {
  const { machinesMonth, warnAt } = config.budgets
  const shared = standings({ store, config }, now).map(standing => ({
    window: standing.window,
    label: standing.label,
    isOfMachines: false,
    spent: standing.spentUsd,
    limit: raisedLimit(standing),
  }))
  const machines = { window: 'month', label: null, isOfMachines: true, limit: machinesMonth } as const
  const all = machinesMonth > 0 ? [...shared, { ...machines, spent: machinesThisMonth({ store }, now) }] : shared
  const [nearest] = all.sort((a, b) => b.spent / b.limit - a.spent / a.limit)
  if (!nearest) return null
  const { spent, limit } = nearest
  return { ...nearest, state: spent >= limit ? 'used' : spent >= limit * warnAt ? 'near' : 'ok' }
}

/** Names of the agents of the configuration whose cost no budget can count; none where no budget is set. */
export function unpricedIn(config: Config): string[] {
  if (!hasBudgets(config)) return []
  const agents = Object.entries(config.agents)
  return agents.filter(([, table]) => !tellsCost(table, table.type)).map(([name]) => name)
}
