/** The sweeps by name, and the timer that drives them (docs/adr/0014-the-sweeps-run-by-the-clock-of-the-world.md). */
import type { Cancel } from '../../src/platform/world.ts'
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

const TICK_MS = 1_000

/** `more` are those of the machine itself, which no simulation has. */
export function startSweeps(engine: Engine, parts: SweepParts, more: readonly Sweep[]): { stop(): Promise<void> } {
  const sweeper = createSweeper(engine, parts, [...SWEEPS, ...more])
  let cancel: Cancel
  const tick = () => {
    sweeper.tick()
    cancel = engine.world.clock.timer(TICK_MS, tick)
  }
  tick()
  return {
    async stop() {
      cancel()
      await sweeper.stop()
    },
  }
}
