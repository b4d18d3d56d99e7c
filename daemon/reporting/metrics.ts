/** What the daemon counts while it runs. */
import type { JournalEvent } from '../../src/store/tables/journal.ts'
import { createMetrics, type Metrics } from './metric-registry.ts'

const UNAUTHORIZED = 401

export interface DaemonMetrics {
  registry: Metrics
  /** A callback was answered. */
  callback(kind: string, status: number): void
  /** A run of a step ended; `reason` is the code of what made it try again. */
  ran(step: string, outcome: string, ms: number, reason?: string): void
  /** Hetzner answered a request, with 0 when nothing came, and allows so many more. */
  hetzner(status: number, left: number): void
  /** Whether Hetzner refused our token when it was last asked; null when it was not asked yet. */
  hetznerRefuses(): boolean | null
  /** A message came over the topic by which notices are answered. */
  replied(end: string): void
  /** Something went on the record. */
  recorded(event: Pick<JournalEvent, 'type' | 'data'>): void
}

export function createDaemonMetrics(): DaemonMetrics {
  const registry = createMetrics()
  const transitions = registry.counter('tdf_task_transitions_total', 'Changes of status of tasks.')
  const steps = registry.histogram('tdf_step_duration_seconds', 'How long one run of a step took.')
  const stays = registry.histogram('tdf_step_stay_seconds', 'How long tasks stayed in a step, waits included.')
  const retries = registry.counter('tdf_step_retries_total', 'Runs of a step that have to be tried again.')
  const callbacks = registry.counter('tdf_callbacks_total', 'Callbacks of nodes by their answer.')
  const asked = registry.counter('tdf_hcloud_requests_total', 'Requests to Hetzner by status; 0: no answer came.')
  const replies = registry.counter('tdf_notice_replies_total', 'Answers to notices over ntfy, by what became of them.')
  let allowed: number | null = null
  let refuses: boolean | null = null
  registry.gauge('tdf_hcloud_ratelimit_remaining', 'Requests that Hetzner still allows.', () =>
    allowed === null ? [] : [[{}, allowed]],
  )
  return {
    registry,
    callback: (kind, status) => callbacks.add({ kind, result: String(status) }),
    ran(step, outcome, ms, reason) {
      steps.observe({ step, outcome }, ms / 1_000)
      if (reason !== undefined) retries.add({ step, reason })
    },
    hetzner(status, left) {
      asked.add({ code: String(status) })
      allowed = left
      // Without an answer nothing new is known of the token.
      if (status > 0) refuses = status === UNAUTHORIZED
    },
    hetznerRefuses: () => refuses,
    replied: end => replies.add({ end }),
    recorded({ type, data }) {
      const { from, to, ms } = data
      if (type === 'task.status') transitions.add({ from: String(from ?? 'none'), to: String(to) })
      if (type === 'task.step' && typeof ms === 'number') stays.observe({ step: String(from) }, ms / 1_000)
    },
  }
}
