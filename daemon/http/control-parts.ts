/** What the control routes need beside the engine. */
import type { DaemonStatusJson, ReloadJson } from '../../src/protocol/control.ts'
import type { Observability } from '../../src/store/observability.ts'
import type { Boxes } from '../boxes.ts'
import type { Backups } from '../care/backups.ts'
import type { ErrorFlush } from '../flush-errors.ts'
import type { Health } from '../health.ts'
import type { Pusher } from '../push/pusher.ts'
import type { GitResults } from '../results/git-results.ts'
import type { Secrets } from '../secrets.ts'

export interface Control {
  stateDir: string
  results: GitResults
  observability: Observability
  errors: ErrorFlush
  backups: Backups
  health: Health
  boxes: Boxes
  pusher: Pusher
  secrets: Secrets
  status(): DaemonStatusJson
  reload(): ReloadJson
  /** Begins an orderly end; the answer is sent before it happens. */
  stop(): void
}
