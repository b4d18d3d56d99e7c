/** The sweeps by name, and the clock that drives them: cron in UTC, once a second. */
import cron from 'node-cron'
import type { Engine } from '../services.ts'
import { notify } from './deliveries.ts'
import { idleNodes } from './idle-nodes.ts'
import { machines } from './machines.ts'
import { orphans } from './orphans.ts'
import { prune } from './prune.ts'
import { restored } from './restored.ts'
import { createSweeper } from './run.ts'
import { cleanups, stuckTasks } from './stuck-tasks.ts'
import type { Sweep, SweepParts } from './sweep.ts'

/** Failures are copied soon, so that whoever looks finds them. */
const errors: Sweep = {
  name: 'errors',
  everyMs: () => 500,
  async run(_engine, parts) {
    await parts.errors.flush()
    return {}
  },
}

/** A slot that nobody was told of is found here at the latest. */
const placement: Sweep = {
  name: 'placement',
  everyMs: config => Math.min(config.sweeps.interval, 60_000),
  async run(engine) {
    engine.placementChanged()
    return {}
  },
}

export const SWEEPS: readonly Sweep[] = [
  errors,
  ...notify,
  restored,
  placement,
  cleanups,
  stuckTasks,
  idleNodes,
  machines,
  orphans,
  prune,
]

/** `more` are those of the machine itself, which no simulation has. */
export function startSweeps(engine: Engine, parts: SweepParts, more: readonly Sweep[]): { stop(): Promise<void> } {
  const sweeper = createSweeper(engine, parts, [...SWEEPS, ...more])
  const job = cron.schedule('* * * * * *', () => sweeper.tick(), { timezone: 'UTC', name: 'sweeps' })
  return {
    async stop() {
      await job.destroy()
      await sweeper.stop()
    },
  }
}
