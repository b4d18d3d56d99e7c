/** A daemon may be refused by everything around it; what it cannot do by a fault of its own is ours to mend. */
import type { Check } from '../seen.ts'

export const faultInvariants: Record<string, Check> = {
  'nothing failed by a fault of the daemon itself': ({ sim }) => sim.out.faults,
}
