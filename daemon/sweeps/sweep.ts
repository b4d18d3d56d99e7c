/** What a sweep is: slow housekeeping that reports in numbers what it did. */
import type { Config } from '../../src/config/schema/schema.ts'
import type { Observability } from '../../src/store/observability.ts'
import type { ErrorFlush } from '../reporting/failures.ts'
import type { Engine } from '../services.ts'

export interface SweepParts {
  stateDir: string
  errors: ErrorFlush
  observability: Observability
}

/** Counts by name; a round that counts nothing is not worth a line in the log. */
export type Report = Record<string, number>

export interface Sweep {
  name: string
  /** Whether the first round comes with the start, rather than an interval later. */
  atStart?: boolean
  /** How long after the beginning of one round the next begins, in ms; rounds of a sweep never overlap. */
  everyMs(config: Config): number
  run(engine: Engine, parts: SweepParts, signal: AbortSignal): Promise<Report>
}
