/** What a task has used: tokens and money of its sessions added up, each number once. Pure. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { Task, Usage } from '../../../src/core/task.ts'
import type { AgentSession } from '../../../src/protocol/agent-api.ts'
import { GRANT } from './asking.ts'

type Prices = Pick<Config['agents'][string], 'inputPrice' | 'outputPrice'>
const TOKENS_PER_PRICE = 1_000_000

/**
 * The attempt's sums with what a session now reports in them. Some agents count each process anew, others count on
 * from the beginning of the conversation: those have one number for each conversation, which the newer one replaces.
 */
export function tally(
  { facts }: Pick<Task, 'facts'>,
  session: Pick<AgentSession, 'sessionId' | 'resumeRef' | 'usage'>,
  prices: Prices | undefined,
): Record<string, Usage> {
  const known = facts.usages ?? {}
  const { usage, resumeRef, sessionId } = session
  if (!usage) return known
  const { inputTokens, outputTokens, cumulative } = usage
  const costUsd = usage.costUsd ?? priced(usage, prices)
  const key = cumulative && resumeRef !== null ? `conversation ${resumeRef}` : sessionId
  return { ...known, [key]: { inputTokens, outputTokens, costUsd } }
}

/** The sum; null while nothing is known. What a conversation had used before this attempt is not part of it. */
export function totalOf({ facts }: Pick<Task, 'facts'>, usages: Record<string, Usage>): Usage | null {
  const before = facts.resume?.usages ?? {}
  const own = Object.entries(usages).map(([key, usage]) => less(usage, before[key]))
  return own.length === 0 ? null : sum(own)
}

/** A cost that is unknown in one part is unknown in the whole, unless another part says something. */
export function sum(parts: readonly Usage[]): Usage {
  const known = parts.flatMap(({ costUsd }) => (costUsd === null ? [] : [costUsd]))
  return {
    inputTokens: parts.reduce((total, { inputTokens }) => total + inputTokens, 0),
    outputTokens: parts.reduce((total, { outputTokens }) => total + outputTokens, 0),
    costUsd: known.length === 0 ? null : known.reduce((total, cost) => total + cost, 0),
  }
}

function less(usage: Usage, before: Usage | undefined): Usage {
  if (!before) return usage
  return {
    inputTokens: Math.max(usage.inputTokens - before.inputTokens, 0),
    outputTokens: Math.max(usage.outputTokens - before.outputTokens, 0),
    costUsd: usage.costUsd === null ? null : Math.max(usage.costUsd - (before.costUsd ?? 0), 0),
  }
}

/** What came to the attempt's sum since it was read; null when nothing did. Below 0 where it was too high. */
export function usageSince(before: Usage | null, after: Usage | null): Usage | null {
  const { inputTokens = 0, outputTokens = 0, costUsd = null } = before ?? {}
  if (after === null) return null
  const since = {
    inputTokens: after.inputTokens - inputTokens,
    outputTokens: after.outputTokens - outputTokens,
    costUsd: costUsd === null && after.costUsd === null ? null : (after.costUsd ?? 0) - (costUsd ?? 0),
  }
  return since.inputTokens === 0 && since.outputTokens === 0 && !since.costUsd ? null : since
}

/** For agents that name no money: tokens by the prices of the configuration, when there are any. */
function priced({ inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }, prices?: Prices) {
  if (!prices || prices.inputPrice + prices.outputPrice === 0) return null
  return (inputTokens * prices.inputPrice + outputTokens * prices.outputPrice) / TOKENS_PER_PRICE
}

/** What the task may still cost, in USD; null without a limit. `spentBefore` is that of earlier attempts. */
export function budgetLeft(
  task: Pick<Task, 'spec' | 'facts'>,
  spentBefore: number,
  usage: Usage | null,
): number | null {
  const limit = task.spec.maxCostUsd ?? null
  if (limit === null) return null
  return limit * (task.facts.granted ? 1 + GRANT : 1) - spentBefore - (usage?.costUsd ?? 0)
}
