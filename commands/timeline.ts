/** The steps of a task's newest attempt with their times, from the journal. */
import { took } from '../src/event-text.ts'
import type { EventJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { stepTimes } from '../src/step-times.ts'

export function timelineText(events: readonly EventJson[]): string {
  const steps = stepTimes(events)
  if (steps.length === 0) return ''
  const lines = steps.map(({ step, at, ms }) =>
    `  ${at}  ${oneLine(step).padEnd(18)}  ${ms === null ? '' : took(ms)}`.trimEnd(),
  )
  return `steps\n${lines.join('\n')}\n`
}
