/**
 * Limits that only make sense in a certain order. Where one side was set and the other is a default, the default gives
 * way (fit.ts); where both were set, the configuration is refused.
 */
import type { RawConfig } from './schema.ts'

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
