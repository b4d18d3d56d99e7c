import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fitLimits, LIMIT_KEYS, type LimitKey, type Limits, ORDERS, type Order } from '../../../../src/config/limits.ts'
import { configSchema } from '../../../../src/config/schema/config.ts'
import { aboutOf, defaultOf, keysOf, keyText } from '../../../../src/config/schema/shape.ts'
import { describeConfig } from '../../../../src/config/show/describe.ts'
import { parseDuration } from '../../../../src/core/duration.ts'
import { load, refusal } from './support.ts'

const keys = new Map([...keysOf(configSchema)].map(({ path, schema }) => [keyText(path), schema]))
const defaults = Object.fromEntries(
  LIMIT_KEYS.map(key => [key, parseDuration(String(defaultOf(keys.get(key) ?? configSchema)))]),
) as Limits // Every limit is a duration with a default: the first test holds it.

const holds = (order: Order, limits: Limits, by: 'factor' | 'fit' = 'factor') => {
  const least = limits[order.lower] * order[by]
  return order.strict ? least < limits[order.upper] : least <= limits[order.upper]
}

describe('the table of limits', () => {
  test('names durations of the schema, and their defaults are in order with room to spare', () => {
    for (const key of LIMIT_KEYS) expect([key, aboutOf(keys.get(key) ?? configSchema)?.unit]).toEqual([key, 'ms'])
    for (const order of ORDERS)
      expect([order.lower, order.upper, holds(order, defaults, 'fit')]).toEqual([order.lower, order.upper, true])
    for (const order of ORDERS) expect(order.fit).toBeGreaterThanOrEqual(order.factor)
  })

  // What the schema takes, from tests that scale everything down to a person who adds zeros.
  const isPause = (key: LimitKey) => /interval|delay|warm/.test(key)
  const anyLimit = (key: LimitKey) => fc.integer({ min: isPause(key) ? 1 : 10, max: 3_650 * 86_400_000 })
  const smallLimit = (key: LimitKey) => fc.integer({ min: isPause(key) ? 1 : 10, max: 300 })
  const anySet = fc
    .subarray([...LIMIT_KEYS])
    .chain(set => fc.record(Object.fromEntries(set.map(key => [key, fc.oneof(anyLimit(key), smallLimit(key))]))))

  test('lets every default give way, or names two limits that were set and contradict each other', () => {
    fc.assert(
      fc.property(anySet, set => {
        const given = { ...defaults, ...set }
        const { moved, conflicts } = fitLimits(given, key => Object.hasOwn(set, key))
        const result = { ...given, ...Object.fromEntries(moved.map(({ key, ms }) => [key, ms])) }
        if (conflicts.length > 0) {
          return (
            moved.length === 0 &&
            conflicts.every(({ lower, upper }) => Object.hasOwn(set, lower) && Object.hasOwn(set, upper))
          )
        }
        const isInOrder = ORDERS.every(order => holds(order, result))
        const isPositive = LIMIT_KEYS.every(key => result[key] >= 1 && Number.isSafeInteger(result[key]))
        const isHonest = moved.every(({ key, ms, direction, toFit }) => {
          return (
            !Object.hasOwn(set, key) &&
            Object.hasOwn(set, toFit) &&
            direction === (ms < defaults[key] ? 'lowered' : 'raised')
          )
        })
        return isInOrder && isPositive && isHonest
      }),
      { numRuns: 2_000 },
    )
  })

  test('moves nothing as long as what was set fits the defaults', () => {
    fc.assert(
      fc.property(anySet, set => {
        const given = { ...defaults, ...set }
        if (!ORDERS.every(order => holds(order, given, 'fit'))) return true
        const { moved, conflicts } = fitLimits(given, key => Object.hasOwn(set, key))
        return moved.length === 0 && conflicts.length === 0
      }),
    )
  })

  test('refuses only what no value of the defaults could mend', () => {
    fc.assert(
      fc.property(anySet, set => {
        const { conflicts } = fitLimits({ ...defaults, ...set }, key => Object.hasOwn(set, key))
        return conflicts.every(({ lower, upper, chain }) => {
          const leastMs = chain.reduce((ms, order) => ms * order.factor + (order.strict ? 1 : 0), set[lower] ?? 0)
          return leastMs > (set[upper] ?? 0)
        })
      }),
    )
  })
})

describe('a limit that was set', () => {
  const origins = (env: Record<string, string>) => {
    const loaded = load({ env })
    const rows = describeConfig(loaded).filter(({ origin }) => origin.startsWith('default, '))
    return rows.map(({ key, value, origin }) => `${key} = ${value} (${origin})`)
  }

  test('brings defaults down with it, one after the other', () => {
    expect(origins({ TDF_RUNNER__ABSOLUTE_EXECUTION: '10s' })).toEqual([
      'runner.reconcile_interval = "5s" (default, lowered to fit runner.absolute_execution)',
      'runner.idle_timeout = "10s" (default, lowered to fit runner.absolute_execution)',
      'runner.max_execution = "10s" (default, lowered to fit runner.absolute_execution)',
    ])
  })

  test('may be one of a few that tests scale down', () => {
    expect(origins({ TDF_NODES__LOST_AFTER: '3s', TDF_NODES__HEARTBEAT_INTERVAL: '200ms' })).toEqual([
      'nodes.heartbeat_stale = "3s" (default, lowered to fit nodes.lost_after)',
    ])
    expect(origins({ TDF_NODES__LOST_AFTER: '3s' })).toEqual([
      'nodes.heartbeat_interval = "750ms" (default, lowered to fit nodes.lost_after)',
      'nodes.heartbeat_stale = "3s" (default, lowered to fit nodes.lost_after)',
    ])
  })

  test('takes defaults up with it as well', () => {
    expect(origins({ TDF_RUNNER__PROVISION_TIMEOUT: '2h' })).toEqual([
      'sweeps.orphan_min_age = "2h" (default, raised to fit runner.provision_timeout)',
    ])
    expect(origins({ TDF_NODES__HEARTBEAT_INTERVAL: '10m' })).toEqual([
      'nodes.heartbeat_stale = "40m" (default, raised to fit nodes.heartbeat_interval)',
      'nodes.lost_after = "40m" (default, raised to fit nodes.heartbeat_interval)',
    ])
  })

  test('moves nobody where no order is asked: a poll may be longer than its deadline', () => {
    expect(origins({ TDF_RUNNER__WORKSPACE_READY_POLL_INTERVAL: '1h' })).toEqual([])
    expect(
      origins({ TDF_RUNNER__QUEUE_TIMEOUT: '1s', TDF_RUNNER__DISPATCH_TIMEOUT: '1s', TDF_SWEEPS__INTERVAL: '100ms' }),
    ).toEqual([])
  })

  test('is never moved itself, and two that contradict each other are refused at the later one', async () => {
    const toml = `[runner]
max_execution = "10m"
absolute_execution = "5m"
idle_timeout = "20m"
reconcile_interval = "20m"
provision_poll_interval = "1m"
provision_timeout = "1m"
agent_poll_interval = "2m"
agent_ready_timeout = "1m"
salvage_timeout = "1d"
[nodes]
held_max = "1h"
heartbeat_stale = "30s"
heartbeat_interval = "20s"
lost_after = "2h"
max_lifetime = "10m"
[sweeps]
orphan_min_age = "30s"
`
    const env = { TDF_NODES__WARM_TIMEOUT: '1h', TDF_RUNNER__RETRY_BASE_DELAY: '2s', TDF_RUNNER__RETRY_MAX_DELAY: '1s' }
    await expect(refusal({ toml, env })).toMatchFileSnapshot('../../../golden/config/limits.txt')
  })

  test('contradicts another one also by way of a default between them', () => {
    const env = { TDF_RUNNER__IDLE_TIMEOUT: '10h', TDF_RUNNER__ABSOLUTE_EXECUTION: '5h' }
    expect(refusal({ env })).toContain(
      'runner.idle_timeout (10h, set by env TDF_RUNNER__IDLE_TIMEOUT) must not exceed runner.absolute_execution (5h)',
    )
    const beats = { TDF_NODES__HEARTBEAT_INTERVAL: '2s', TDF_NODES__LOST_AFTER: '3s' }
    expect(refusal({ env: beats })).toContain('must not exceed half of nodes.lost_after (3s)')
  })

  test('is held against the others even when something else in the file is wrong', () => {
    const message = refusal({
      toml: '[runner]\nagnt = "x"\nmax_execution = "2h"\nabsolute_execution = "1h"\n[nodes]\nmax_nodes = "x"',
    })
    expect(message).toContain('4 errors'.replace('4', '3'))
    expect(message).toContain(':4:1   error  runner.max_execution (2h, set on line 3) must not exceed')
  })
})
