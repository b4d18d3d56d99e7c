/** The steps that a task's newest attempt has left, from the journal, with their times. */
import type { EventJson } from './protocol/control.ts'

export interface StepTime {
  step: string
  /** When it was left. */
  at: string
  ms: number | null
}

export function stepTimes(events: readonly EventJson[]): StepTime[] {
  const attempt = Math.max(1, ...events.map(event => event.attempt ?? 1))
  return events
    .filter(event => event.type === 'task.step' && event.attempt === attempt && event.data.from)
    .map(({ data, at }) => ({ step: String(data.from), at, ms: typeof data.ms === 'number' ? data.ms : null }))
}
