/** Budgets and the ledger of costs, held against what the agents know of themselves. */
import type { Sql } from '../../../src/store/sqlite/sql.ts'
import { costOf } from '../../fakes/agent.ts'
import { type Check, describe, type Seen } from '../seen.ts'

export interface MoneyMemory {
  /** When users have allowed more. */
  allowedAt: number[]
  /** Budgets that were used up at the last look. */
  used: Standing[]
  /** When that was. */
  at: number
  /** So many sessions were looked at. */
  sessions: number
  /** Attempts that rest though no budget holds them, with how many looks of the daemon there were before. */
  free: Map<string, number>
}

export const freshMoney = (): MoneyMemory => ({ allowedAt: [], used: [], at: 0, sessions: 0, free: new Map() })

interface Standing {
  label: string | null
  dayFrom: number
}

/** Sums of fractions differ in their last digits. */
const NEAR_USD = 1e-6
/** A call may be under way for as long, in ms. */
const LAG_MS = 60_000
/** The daemon has had its time for a task that rests. */
const LOOKS_MAX = 60
const RAISED = 1.25

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

  'no cost is counted that no agent had': ({ sim, sql }) => {
    const known = knownCosts(sim)
    return [...recordedCosts(sql)].flatMap(([attempt, cost]) => {
      const most = known.get(attempt)
      return most === undefined || cost <= most + NEAR_USD
        ? []
        : [`${attempt} has cost $${most}, and $${cost} are on record`]
    })
  },

  'nothing begins while its budget is used up': ({ sim, attempts }) => {
    const { money, out } = sim
    const begun = out.meter.slice(money.sessions)
    money.sessions = out.meter.length
    return begun.flatMap(({ taskId, session }) => {
      const task = attempts.find(({ id }) => id === taskId)
      const isFirst = session.body.sessionId.endsWith('-s1')
      if (!task || !isFirst || session.startedAt - money.at < LAG_MS) return []
      const holding = money.used.find(
        one => one.dayFrom === dayOf(session.startedAt) && counts(one.label, task.spec.labels),
      )
      return holding ? [`${session.body.sessionId} began, and ${holding.label ?? 'the day'} was used up`] : []
    })
  },

  'what rests for a budget goes on after its turn': seen => {
    const { money, out } = seen.sim
    const looks = out.looks?.length ?? 0
    money.used = usedBudgets(seen)
    money.at = seen.now
    const free = seen.live.filter(
      ({ status, step, facts, spec }) =>
        status === 'parked' &&
        step === 'node_selection' &&
        facts.paused === 'window' &&
        !money.used.some(({ label }) => counts(label, spec.labels)),
    )
    money.free = new Map(free.map(({ id }) => [id, money.free.get(id) ?? looks]))
    return free.filter(({ id }) => looks - (money.free.get(id) ?? looks) > LOOKS_MAX).map(describe)
  },
}

export const spendingRest: Record<string, Check> = {
  // What a machine takes along was never heard.
  'no cost is forgotten': ({ sim, sql, attempts }) => {
    const recorded = recordedCosts(sql)
    const lost = new Set<string>()
    for (const { taskId, attempt, workspaceId, session } of sim.out.meter) {
      const task = attempts.find(one => one.id === taskId && one.attempt === attempt)
      const { sessionId } = session.body
      // The answer to its start was lost, and its task ended before it was asked for again.
      const isUnheard = task?.sessionId !== sessionId && task?.facts.usages?.[sessionId] === undefined
      const isGone =
        sim.wiped.has(workspaceId) || sim.path.discarded.has(workspaceId) || task?.verdict === 'infrastructure'
      if (isUnheard || isGone) lost.add(`${taskId}/${attempt}`)
    }
    return [...knownCosts(sim)]
      .filter(([attempt, cost]) => !lost.has(attempt) && Math.abs(cost - (recorded.get(attempt) ?? 0)) > NEAR_USD)
      .map(([attempt, cost]) => `${attempt} has cost $${cost}, and $${recorded.get(attempt) ?? 0} are on record`)
  },
}

const dayOf = (at: number) => new Date(at).setHours(0, 0, 0, 0)
const counts = (label: string | null, labels: Readonly<Record<string, string>>) =>
  label === null || Object.entries(labels).some(([key, value]) => `${key}=${value}` === label)

/** By attempt, what its agents know. */
function knownCosts({ out, life }: Seen['sim']): Map<string, number> {
  const costs = new Map<string, number>()
  for (const { taskId, attempt, session } of out.meter) {
    const name = `${taskId}/${attempt}`
    costs.set(name, (costs.get(name) ?? 0) + costOf(session, life.world.clock.mono()))
  }
  return costs
}

function recordedCosts(sql: Sql): Map<string, number> {
  const rows = sql.all(`select task_id, attempt, sum(cost_usd) as cost from spending where task_id <> '' group by 1, 2`)
  return new Map(rows.map(row => [`${row.task_id}/${row.attempt}`, Number(row.cost ?? 0)]))
}

/** Summed up row by row; where users have allowed more today, only what is beyond that is used up. */
function usedBudgets({ sim, sql, now }: Seen): Standing[] {
  const { budgets } = sim.out.config
  const dayFrom = dayOf(now)
  const rows = sql.all('select labels, cost_usd, machine_cost from spending where at >= ?', dayFrom)
  const share = sim.money.allowedAt.some(at => dayOf(at) === dayFrom) ? RAISED : 1
  return [{ label: null, day: budgets.day }, ...budgets.for].flatMap(({ label, day }) => {
    const own = rows.filter(row => counts(label, JSON.parse(String(row.labels))))
    const sum = own.reduce(
      (total, row) => total + Number(row.cost_usd ?? 0) + Number(row.machine_cost) * budgets.usdPerEur,
      0,
    )
    return day > 0 && sum >= day * share + NEAR_USD ? [{ label, dayFrom }] : []
  })
}

function spentByAttempt(sql: Sql): Map<string, { tokens: number; costUsd: number }> {
  const query = `select task_id, attempt, sum(input_tokens + output_tokens) as tokens, sum(cost_usd) as cost
    from spending where task_id <> '' group by 1, 2`
  const rows = sql.all(query)
  return new Map(
    rows.map(row => [`${row.task_id}/${row.attempt}`, { tokens: Number(row.tokens), costUsd: Number(row.cost ?? 0) }]),
  )
}
