/** Budgets for `tdf doctor`: how far each is used, and which agents they cannot count. */
import type { Config } from '../../src/config/schema/schema.ts'
import type { FindingJson } from '../../src/protocol/upkeep.ts'
import { budgetText } from '../../src/text/progress/budgets.ts'
import { tellsCost } from '../api/tasks/agents.ts'
import { hasBudgets, standings } from '../placement/budgets.ts'
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

/** Names of the agents of the configuration whose cost no budget can count; none where no budget is set. */
export function unpricedIn(config: Config): string[] {
  if (!hasBudgets(config)) return []
  const agents = Object.entries(config.agents)
  return agents.filter(([, table]) => !tellsCost(table, table.type)).map(([name]) => name)
}
