/** Where a task would go if it were submitted now, and what the machine costs: for `submit --dry-run`. */

import { isServing } from '../../src/core/node.ts'
import type { Step, TaskSpec } from '../../src/core/task.ts'
import type { ForecastJson } from '../../src/protocol/control.ts'
import type { Sql } from '../../src/store/sqlite/sql.ts'
import { recentStepMs } from '../../src/store/tables/journal.ts'
import { readNode, readNodes } from '../../src/store/tables/nodes.ts'
import { rejections } from '../../src/text/waiting.ts'
import type { Engine } from '../services.ts'
import { capacitiesOf, counts, offersOf } from './pass.ts'
import { accountsOf, assign, type PlacementRequest, rejection } from './place.ts'

type Forecasting = Pick<Engine, 'store' | 'config' | 'providers' | 'world'>

export function forecast(engine: Forecasting, spec: TaskSpec): ForecastJson {
  const { store, config, world } = engine
  const { priority, node, provider, size, location } = spec
  const request: PlacementRequest = {
    id: '',
    attempt: 1,
    number: Infinity,
    priority,
    node,
    provider,
    size,
    location,
    ...accountsOf(spec),
    labels: spec.labels,
    reserved: null,
  }
  const nodes = readNodes(store.sql)
  const capacities = capacitiesOf(engine, nodes, world.clock.now())
  const machines = nodes.filter(counts).length
  const { reservations, orders } = assign([request], capacities, { config, offers: offersOf(engine), machines })
  const [given] = reservations
  if (given) {
    const found = readNode(store.sql, given.node)
    const how = found && isServing(found) ? 'warm' : 'coming'
    return { ...NOTHING, how, node: given.node, pricePerHour: found?.pricePerHour ?? null }
  }
  const [order] = orders
  if (order) {
    const { provider, size, location } = order
    const last = readNodes(store.sql, true).findLast(
      known => known.provider === provider && known.size === size && known.pricePerHour !== null,
    )
    return { ...NOTHING, how: 'ordered', provider, size, location, pricePerHour: last?.pricePerHour ?? null }
  }
  const reasons = capacities.map(capacity => `${capacity.name}: ${rejection(request, capacity, config)}`)
  return { ...NOTHING, how: 'queued', why: reasons.join('; ') || rejections.noNode() }
}

const NOTHING = { node: null, provider: null, size: null, location: null, pricePerHour: null, why: null }

const RECENT = 50
/** A median of fewer says nothing. */
const ENOUGH = 5

/** The median time of a step in ms among tasks of the same agent and repository; null while too little is known. */
export function usualMs(sql: Sql, step: Step, { agent, repo }: Pick<TaskSpec, 'agent' | 'repo'>): number | null {
  const sorted = recentStepMs(sql, step, { agent: agent.name, url: repo.url }, RECENT).sort((a, b) => a - b)
  return sorted.length < ENOUGH ? null : (sorted[Math.floor(sorted.length / 2)] ?? null)
}

/** In how many ms the task at this place of the queue probably gets a slot: as many runs later as stand before it. */
export function queueMs(
  sql: Sql,
  spec: Pick<TaskSpec, 'agent' | 'repo'>,
  position: number,
  slots: number,
): number | null {
  const run = usualMs(sql, 'running', spec)
  return run === null || slots === 0 ? null : Math.ceil(position / slots) * run
}
