/** The sweeps by name, and what drives them. */
import { chargeMachines, pricedNodes } from '../../src/store/spending/machines.ts'
import { hasBudgets, warn } from '../placement/budgets.ts'
import { announceBudget } from '../reporting/notices/announce.ts'
import type { Engine } from '../services.ts'
import { notify } from './deliveries.ts'
import { idleNodes } from './idle-nodes.ts'
import { machines } from './machines.ts'
import { orphans } from './orphans.ts'
import { prune } from './prune.ts'
import { restored } from './restored/restored.ts'
import type { Sweep, SweepParts } from './run.ts'
import { createSweeper } from './run.ts'
import { schedules } from './schedules/sweep.ts'
import { cleanups, stuckTasks } from './stuck-tasks.ts'
import { type Cron, nodeCron, startTimetable } from './timetable.ts'

/** Failures are copied soon, so that `tdf errors` finds them. */
const errors: Sweep = {
  name: 'errors',
  everyMs: () => 500,
  async run(_engine, parts) {
    await parts.errors.flush()
    return {}
  },
}

/** A slot that became free without a pass is found here at the latest. */
const placement: Sweep = {
  name: 'placement',
  everyMs: config => Math.min(config.sweeps.interval, 60_000),
  async run(engine) {
    engine.placementChanged()
    return {}
  },
}

/** What machines cost is on record as they stand there, not only when a task comes or goes. */
const charges: Sweep = {
  name: 'charges',
  everyMs: config => Math.min(config.sweeps.interval, 60_000),
  async run(engine) {
    const { store, world, config } = engine
    const now = world.clock.now()
    const isPriced = pricedNodes(store.sql).length > 0
    if (!isPriced && !hasBudgets(config)) return {}
    await store.commit(() => {
      if (isPriced) chargeMachines(store.sql, now)
      if (hasBudgets(config)) for (const standing of warn(engine, now)) announceBudget(engine, standing, now)
    })
    return {}
  },
}

export const SWEEPS: readonly Sweep[] = [
  errors,
  ...notify,
  restored,
  placement,
  charges,
  cleanups,
  stuckTasks,
  idleNodes,
  machines,
  orphans,
  prune,
  schedules,
]

/** `more` are those of the machine itself, which no simulation has. */
export function startSweeps(
  engine: Engine,
  parts: SweepParts,
  more: readonly Sweep[],
  cron: Cron = nodeCron,
): { stop(): Promise<void> } {
  const sweeps = [...SWEEPS, ...more]
  const sweeper = createSweeper(engine, parts, sweeps)
  sweeper.tick()
  const stopTimetable = startTimetable({
    clock: engine.world.clock,
    cron,
    sweeps: () => sweeps.map(({ name, everyMs }) => ({ name, everyMs: everyMs(engine.config) })),
    begin: names => sweeper.tick(names),
  })
  return {
    stop() {
      stopTimetable()
      return sweeper.stop()
    },
  }
}
