/** Brings limits into an order that makes sense: see limits.ts. Pure. */
import { LIMIT_KEYS, type LimitKey, ORDERS, type Order } from './limits.ts'

export type Limits = Record<LimitKey, number>

/** Two limits that were set and contradict each other, perhaps by way of defaults between them. */
export interface Conflict {
  lower: LimitKey
  upper: LimitKey
  /** The orders from the one to the other. */
  chain: Order[]
}

export interface Moved {
  key: LimitKey
  ms: number
  direction: 'lowered' | 'raised'
  /** The limit that was set and made it necessary. */
  toFit: LimitKey
}

interface Bound {
  ms: number
  from: LimitKey
}

/**
 * Values in ms. Every default moves no further than it must, and what was set stays. Each default is squeezed between
 * what the set limits below and above it leave, first with room to spare (`fit`), then by the rule itself (`factor`).
 * Both squeezes keep the order of any two defaults, because the defaults are in order themselves.
 */
export function fitLimits(
  limits: Limits,
  isSet: (key: LimitKey) => boolean,
): { moved: Moved[]; conflicts: Conflict[] } {
  const conflicts = LIMIT_KEYS.filter(isSet).flatMap(key => conflictsAbove(key, limits, isSet))
  if (conflicts.length > 0) return { moved: [], conflicts }
  const moved = LIMIT_KEYS.filter(key => !isSet(key)).flatMap(key => {
    const roomy = squeeze(key, limits[key], limits, isSet, 'fit')
    const exact = squeeze(key, roomy.ms, limits, isSet, 'factor')
    const toFit = exact.toFit ?? roomy.toFit
    if (exact.ms === limits[key] || !toFit) return []
    return [
      { key, ms: exact.ms, direction: exact.ms < limits[key] ? ('lowered' as const) : ('raised' as const), toFit },
    ]
  })
  return { moved, conflicts }
}

type Rule = 'fit' | 'factor'
type IsSet = (key: LimitKey) => boolean

function squeeze(
  key: LimitKey,
  ms: number,
  limits: Limits,
  isSet: IsSet,
  rule: Rule,
): { ms: number; toFit?: LimitKey } {
  const least = leastOf(key, limits, isSet, rule)
  const most = mostOf(key, limits, isSet, rule)
  const raised = least && least.ms > ms ? { ms: least.ms, toFit: least.from } : { ms }
  return most && most.ms < raised.ms ? { ms: most.ms, toFit: most.from } : raised
}

/** What the set limits below a key ask of it, also through defaults between them. */
function leastOf(key: LimitKey, limits: Limits, isSet: IsSet, rule: Rule): Bound | undefined {
  const bounds = ORDERS.filter(order => order.upper === key).flatMap(order => {
    const below = isSet(order.lower)
      ? { ms: limits[order.lower], from: order.lower }
      : leastOf(order.lower, limits, isSet, rule)
    return below ? [{ ms: leastUpper(order, below.ms, rule), from: below.from }] : []
  })
  return bounds.sort((a, b) => b.ms - a.ms)[0]
}

function mostOf(key: LimitKey, limits: Limits, isSet: IsSet, rule: Rule): Bound | undefined {
  const bounds = ORDERS.filter(order => order.lower === key).flatMap(order => {
    const above = isSet(order.upper)
      ? { ms: limits[order.upper], from: order.upper }
      : mostOf(order.upper, limits, isSet, rule)
    return above ? [{ ms: mostLower(order, above.ms, rule), from: above.from }] : []
  })
  return bounds.sort((a, b) => a.ms - b.ms)[0]
}

/** Follows the orders up from a set limit to the next set ones; `leastMs` is what the rules ask on the way. */
function conflictsAbove(
  lower: LimitKey,
  limits: Limits,
  isSet: IsSet,
  leastMs = limits[lower],
  chain: Order[] = [],
): Conflict[] {
  const from = chain.at(-1)?.upper ?? lower
  return ORDERS.filter(order => order.lower === from).flatMap(order => {
    const nextMs = leastUpper(order, leastMs, 'factor')
    const nextChain = [...chain, order]
    if (!isSet(order.upper)) return conflictsAbove(lower, limits, isSet, nextMs, nextChain)
    return limits[order.upper] < nextMs ? [{ lower, upper: order.upper, chain: nextChain }] : []
  })
}

function leastUpper(order: Order, lowerMs: number, rule: Rule): number {
  return lowerMs * order[rule] + strictness(order, rule)
}

function mostLower(order: Order, upperMs: number, rule: Rule): number {
  return Math.floor((upperMs - strictness(order, rule)) / order[rule])
}

/** Where there is room to spare, "below" needs no ms of its own. */
function strictness(order: Order, rule: Rule): number {
  return order.strict && order[rule] === 1 ? 1 : 0
}
