/** What the control routes need beside the engine. */
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import type { Observability } from '../../src/store/observability.ts'
import type { ErrorFlush } from '../flush-errors.ts'
import type { GitResults } from '../results/git-results.ts'

export interface Control {
  stateDir: string
  results: GitResults
  observability: Observability
  errors: ErrorFlush
  status(): DaemonStatusJson
  /** Begins an orderly end; the answer is sent before it happens. */
  stop(): void
}
