/** Every unit of an installation, in the order in which they are started. */
import { agentUnit } from './agent-unit.ts'
import { daemonUnit } from './daemon-unit.ts'
import { reapUnits } from './reap-unit.ts'
import type { Unit, UnitOptions } from './unit.ts'

/** A user's units reap nothing: without the user's session they would not run either. */
export function unitsOf(options: UnitOptions): Unit[] {
  const both = [agentUnit(options), daemonUnit(options)]
  return options.scope === 'system' ? [...both, ...reapUnits(options)] : both
}

/** Units that are enabled and started; the others are called by them. */
export const STARTED = ['tdf-agent.service', 'tdfd.service', 'tdf-reap.timer'] as const
