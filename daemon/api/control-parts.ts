/** What the control routes need beside the engine. */
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import type { ReloadJson } from '../../src/protocol/upkeep.ts'
import type { Observability } from '../../src/store/observability.ts'
import type { Backups } from '../host/backups.ts'
import type { Secrets } from '../host/secrets.ts'
import type { AddedNodes } from '../nodes/reach/added-nodes.ts'
import type { ErrorFlush } from '../reporting/failures.ts'
import type { Health } from '../reporting/health.ts'
import type { GitResults } from '../results/git-results.ts'
import type { Pusher } from '../results/push/pusher.ts'
import type { Watcher } from '../results/push/watch/watcher.ts'
import type { Uploads } from '../results/sources/uploads.ts'
import type { Cluster } from './cluster.ts'
import type { Poller } from './issues/poller.ts'

export interface Control {
  stateDir: string
  results: GitResults
  uploads: Uploads
  observability: Observability
  errors: ErrorFlush
  backups: Backups
  health: Health
  addedNodes: AddedNodes
  pusher: Pusher
  watcher: Watcher
  /** Of the trackers whose issues become tasks. */
  issues: Poller
  secrets: Secrets
  /** Makes secrets, keys and pins durable wherever the state is. */
  saveFiles(): Promise<void>
  /** Null where the state is a file of this daemon. */
  cluster: Cluster | null
  status(): DaemonStatusJson
  reload(): ReloadJson
  /** Begins an orderly end; the answer is sent before it happens. */
  stop(): void
}
