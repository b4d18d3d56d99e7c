/** The lower part of an open task, and the journal: lines that one scrolls through, and how many of them fit. */
import type { EventJson } from '../../protocol/control.ts'
import { eventText } from '../../text/events.ts'
import { clockTime } from '../../text/times.ts'
import { linesOf } from '../state/log.ts'
import { isTaskOpen, type Model } from '../state/model.ts'
import type { Pane } from '../state/prompt.ts'
import { head } from './detail.ts'

const WIDE = 100

export const PANES: readonly Pane[] = ['log', 'check', 'diff', 'events', 'prompt']

const CONTENT: Record<Pane, (model: Model) => readonly string[]> = {
  log: ({ detail }) => (detail ? linesOf(detail.log) : []),
  check: ({ detail }) => (detail?.check ? linesOf(detail.check) : []),
  diff: ({ detail }) => lines(detail?.diff ?? ''),
  events: ({ detail }) => detail?.events.map(eventLine) ?? [],
  prompt: ({ detail }) => lines(detail?.prompt ?? ''),
}

export function paneLines(model: Model): readonly string[] {
  return model.view === 'events'
    ? model.events.map(event => journalLine(event, model.size.columns))
    : CONTENT[model.pane](model)
}

export function paneLength(model: Model): number {
  return model.view === 'events' ? model.events.length : paneLines(model).length
}

/** Without the header, what stands above, the footer and the line that stays free. */
export function paneHeight(model: Model): number {
  const above = isTaskOpen(model) ? head(model).length + 1 : 1
  return Math.max(model.size.rows - 3 - above, 1)
}

/** Whether one reads it from its beginning: a log and a journal are read from their end. */
export function startsAtTop(model: Model): boolean {
  return isTaskOpen(model) && (model.pane === 'diff' || model.pane === 'prompt')
}

function lines(text: string): string[] {
  return text === '' ? [] : text.trimEnd().replaceAll('\t', '  ').split('\n')
}

function eventLine(event: EventJson): string {
  return `${clockTime(event.at)}  ${event.type.padEnd(12)}  ${eventText(event)}`
}

/** In a narrow window the text shows what kind of event it is. */
function journalLine(event: EventJson, columns: number): string {
  const about = event.taskId ?? event.nodeName ?? ''
  const type = columns < WIDE ? '' : `${event.type.padEnd(12)}  `
  return `${clockTime(event.at)}  ${about.slice(0, 16).padEnd(columns < WIDE ? 10 : 16)}  ${type}${eventText(event)}`
}
