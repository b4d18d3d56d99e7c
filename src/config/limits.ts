/**
 * Limits that only make sense in a certain order. Where one side was set and the other is a default, the default gives
 * way (fit.ts); where both were set, the configuration is refused.
 */
import { formatDuration } from '../core/duration.ts'
import { type Problem, problemAt } from './load/problem.ts'
import { type Origin, type Origins, originAt, originText, pathId, tableFor, valueAt } from './load/tree.ts'
import type { RawConfig } from './schema/config.ts'

type DurationKeys<Table extends 'runner' | 'nodes' | 'sweeps'> = `${Table}.${Extract<keyof RawConfig[Table], string>}`
export type LimitKey = DurationKeys<'runner'> | DurationKeys<'nodes'> | DurationKeys<'sweeps'>

export interface Order {
  lower: LimitKey
  upper: LimitKey
  /** `lower` × this may not exceed `upper`. */
  factor: number
  /** Nor may it be equal. */
  strict?: boolean
  /** The factor that is kept when one of them is a default that gives way; from `factor` up. */
  fit: number
  why: string
}

const order = (lower: LimitKey, upper: LimitKey, why: string, how: Partial<Order> = {}): Order => {
  return { lower, upper, factor: 1, fit: how.factor ?? 1, why, ...how }
}

export const ORDERS: readonly Order[] = [
  order('runner.retry_base_delay', 'runner.retry_max_delay', 'the first pause is the shortest'),
  order('runner.provision_poll_interval', 'runner.provision_timeout', 'else the deadline passes before the first look'),
  order('runner.agent_poll_interval', 'runner.agent_ready_timeout', 'else the deadline passes before the first look'),
  order('runner.reconcile_interval', 'runner.idle_timeout', 'else an agent is called idle before anyone looked', {
    strict: true,
    fit: 2,
  }),
  order('runner.idle_timeout', 'runner.max_execution', 'else the run is over before it can be idle'),
  order('runner.max_execution', 'runner.absolute_execution', 'the soft limit comes before the hard one'),
  order('runner.salvage_timeout', 'nodes.held_max', 'else a machine is destroyed while its work is being saved'),
  order('nodes.heartbeat_interval', 'nodes.heartbeat_stale', 'else one late heartbeat makes a node stale', {
    factor: 2,
    fit: 4,
  }),
  order('nodes.heartbeat_stale', 'nodes.lost_after', 'a node is stale before it is lost'),
  order('nodes.lost_after', 'nodes.held_max', 'else a held machine is destroyed before it counts as lost'),
  order('nodes.warm_timeout', 'nodes.max_lifetime', 'no machine is kept warm beyond its life'),
  order(
    'runner.provision_timeout',
    'sweeps.orphan_min_age',
    'else a machine is swept away while it is being provisioned',
  ),
]

export const LIMIT_KEYS: readonly LimitKey[] = [...new Set(ORDERS.flatMap(({ lower, upper }) => [lower, upper]))]

// --- Holds the limits against each other: defaults give way, contradictions become problems ---

/** Changes `raw` and `origins` where a default had to give way. */
export function orderLimits(raw: RawConfig, origins: Origins, file: string, problems: Problem[]): void {
  const limits = Object.fromEntries(LIMIT_KEYS.map(key => [key, valueAt(raw, key.split('.'))])) as Limits // All are durations.
  const isSet = (key: LimitKey) => origins.has(pathId(key.split('.')))
  const { moved, conflicts } = fitLimits(limits, isSet)
  for (const conflict of conflicts) problems.push(conflictProblem(conflict, limits, origins, file))
  for (const { key, ms, direction, toFit } of moved) {
    const path = key.split('.')
    tableFor(raw, path.slice(0, -1))[path.at(-1) ?? ''] = ms
    origins.set(pathId(path), { kind: 'default', note: `${direction} to fit ${toFit}` })
  }
}

/** At the later of the two, which is the one that was just written; it says where the other stands. */
function conflictProblem({ lower, upper, chain }: Conflict, limits: Limits, origins: Origins, file: string): Problem {
  const [low, high] = [originAt(origins, lower.split('.')), originAt(origins, upper.split('.'))]
  const here = isLater(low, high) ? low : high
  const shown = (key: LimitKey, origin: Origin) => {
    const place =
      origin === here ? '' : origin.kind === 'file' ? `, set on line ${origin.line}` : `, set by ${originText(origin)}`
    return `${key} (${formatDuration(limits[key])}${place})`
  }
  const factor = chain.reduce((product, order) => product * order.factor, 1)
  const rule = chain.some(order => order.strict) ? 'must be below' : 'must not exceed'
  const share = factor === 1 ? '' : factor === 2 ? 'half of ' : `1/${factor} of `
  const why = [...new Set(chain.map(order => order.why))].join('; ')
  return problemAt(here, 'key', file, `${shown(lower, low)} ${rule} ${share}${shown(upper, high)}: ${why}`)
}

/** The environment speaks after the file. */
function isLater(a: Origin, b: Origin): boolean {
  if (a.kind === 'file' && b.kind === 'file') return a.line > b.line || (a.line === b.line && a.column > b.column)
  return a.kind === 'env' && b.kind !== 'env'
}

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

type Rule = 'fit' | 'factor'
type IsSet = (key: LimitKey) => boolean

/**
 * Values in ms. Every default moves no further than it must, and what was set stays. Each default is squeezed between
 * what the set limits below and above it leave, first with room to spare (`fit`), then by the rule itself (`factor`).
 * Both squeezes keep the order of any two defaults, because the defaults are in order themselves.
 */
export function fitLimits(limits: Limits, isSet: IsSet): { moved: Moved[]; conflicts: Conflict[] } {
  const conflicts = LIMIT_KEYS.filter(isSet).flatMap(key => conflictsAbove(key, limits, isSet))
  if (conflicts.length > 0) return { moved: [], conflicts }
  const moved = LIMIT_KEYS.filter(key => !isSet(key)).flatMap(key => {
    const roomy = squeeze(key, limits[key], limits, isSet, 'fit')
    const exact = squeeze(key, roomy.ms, limits, isSet, 'factor')
    const toFit = exact.toFit ?? roomy.toFit
    if (exact.ms === limits[key] || !toFit) return []
    const direction: Moved['direction'] = exact.ms < limits[key] ? 'lowered' : 'raised'
    return [{ key, ms: exact.ms, direction, toFit }]
  })
  return { moved, conflicts }
}

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
  return boundsOn('lower', key, limits, isSet, rule).sort((a, b) => b.ms - a.ms)[0]
}

function mostOf(key: LimitKey, limits: Limits, isSet: IsSet, rule: Rule): Bound | undefined {
  return boundsOn('upper', key, limits, isSet, rule).sort((a, b) => a.ms - b.ms)[0]
}

function boundsOn(side: 'lower' | 'upper', key: LimitKey, limits: Limits, isSet: IsSet, rule: Rule): Bound[] {
  const [here, furtherOf, boundOf] =
    side === 'lower' ? (['upper', leastOf, leastUpper] as const) : (['lower', mostOf, mostLower] as const)
  return ORDERS.filter(order => order[here] === key).flatMap(order => {
    const from = order[side]
    const bound = isSet(from) ? { ms: limits[from], from } : furtherOf(from, limits, isSet, rule)
    return bound ? [{ ms: boundOf(order, bound.ms, rule), from: bound.from }] : []
  })
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
