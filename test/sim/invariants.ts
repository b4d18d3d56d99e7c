/** What must hold after every tick, each as a named function that answers what it found; by subject in `invariants/`. */
import { afterInvariants, afterRest } from './invariants/after.ts'
import { effectInvariants } from './invariants/effects.ts'
import { faultInvariants } from './invariants/faults.ts'
import { graphInvariants } from './invariants/graphs.ts'
import { nodeInvariants } from './invariants/nodes.ts'
import { pathInvariants } from './invariants/path.ts'
import { restInvariants } from './invariants/rest.ts'
import { resultInvariants } from './invariants/results.ts'
import { scheduleInvariants } from './invariants/schedules/schedules.ts'
import { signalInvariants } from './invariants/signals.ts'
import { spendingInvariants, spendingRest } from './invariants/spending.ts'
import { taskInvariants } from './invariants/tasks.ts'
import { ledgerInvariants } from './ledger.ts'
import type { Check, Seen } from './seen.ts'

export interface Finding {
  name: string
  what: string
  tick: number
}

/** The journal comes first, since others ask what it has read. */
const ALWAYS: Record<string, Check> = {
  ...pathInvariants,
  ...taskInvariants,
  ...signalInvariants,
  ...nodeInvariants,
  ...effectInvariants,
  ...resultInvariants,
  ...faultInvariants,
  ...spendingInvariants,
  ...afterInvariants,
  ...graphInvariants,
  ...scheduleInvariants,
}

export const look = (seen: Seen, tick: number): Finding[] => findings(ALWAYS, seen, tick)

/** Once everything has come to rest. */
export const lookAtRest = (seen: Seen, tick: number): Finding[] =>
  findings({ ...restInvariants, ...ledgerInvariants, ...afterRest, ...spendingRest }, seen, tick)

function findings(checks: Record<string, Check>, seen: Seen, tick: number): Finding[] {
  return Object.entries(checks).flatMap(([name, check]) => check(seen).map(what => ({ name, what, tick })))
}
