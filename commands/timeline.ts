/** The steps of a task's newest attempt with their times, from the journal. */

import { took } from '../src/event-text.ts'
import type { EventJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'

export function timelineText(events: readonly EventJson[]): string {
  const attempt = Math.max(1, ...events.map(event => event.attempt ?? 1))
  const steps = events.filter(event => event.type === 'task.step' && event.attempt === attempt && event.data.from)
  if (steps.length === 0) return ''
  const lines = steps.map(({ data, at }) => {
    const ms = typeof data.ms === 'number' ? took(data.ms) : ''
    return `  ${at}  ${oneLine(String(data.from)).padEnd(18)}  ${ms}`.trimEnd()
  })
  return `steps\n${lines.join('\n')}\n`
}
