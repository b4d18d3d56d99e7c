/** What every moving part of the dashboard is handed. */
import type { Clock } from '../world.ts'
import type { Remote } from './remote.ts'
import type { Store } from './store.ts'

export interface Parts {
  store: Store
  remote: Remote
  clock: Clock
  /** Aborted when the dashboard is left. */
  signal: AbortSignal
}
