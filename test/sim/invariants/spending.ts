/** Money: what is on record of an attempt is what it used, once. */
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import type { Check } from '../seen.ts'

/** Sums of fractions differ in their last digits. */
const NEAR_USD = 1e-6

export const spendingInvariants: Record<string, Check> = {
  'what was spent is what the agents used': ({ sql, attempts }) => {
    const spent = spentByAttempt(sql)
    return attempts.flatMap(({ id, attempt, usage }) => {
      const { tokens, costUsd } = spent.get(`${id}/${attempt}`) ?? { tokens: 0, costUsd: 0 }
      const used = { tokens: usage ? usage.inputTokens + usage.outputTokens : 0, costUsd: usage?.costUsd ?? 0 }
      const isSame = tokens === used.tokens && Math.abs(costUsd - used.costUsd) < NEAR_USD
      return isSame ? [] : [`${id}/${attempt} used $${used.costUsd}, and $${costUsd} are on record`]
    })
  },
}

function spentByAttempt(sql: Sql): Map<string, { tokens: number; costUsd: number }> {
  const query = `select task_id, attempt, sum(input_tokens + output_tokens) as tokens, sum(cost_usd) as cost
    from spending where task_id <> '' group by 1, 2`
  const rows = sql.all(query)
  return new Map(
    rows.map(row => [`${row.task_id}/${row.attempt}`, { tokens: Number(row.tokens), costUsd: Number(row.cost ?? 0) }]),
  )
}
