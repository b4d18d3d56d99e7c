/** What happens to a task, told to people as it happens: each change once, in the words of `steps.ts`. Pure. */
import type { EventJson } from '../../protocol/control.ts'
import { eventText, took } from '../events.ts'
import { oneLine } from '../sanitize.ts'
import { type Stage, type StageTime, stageDone, stageLeft, stageNow } from '../steps.ts'

export interface Told {
  /** `✓` done, `✗` failed, `=` it rests, `·` anything else. */
  mark: '✓' | '✗' | '=' | '·'
  text: string
  /** How long it took; null where that means nothing. */
  ms: number | null
}

/** What people hear of it as one: that it was placed. Cleaning up is no news. */
const SILENT = ['node_selection', 'node_agent_ready', 'workspace_creation', 'cleanup']

/**
 * Tells the events of one task in the order of the journal; null for what is no news, and for attempts before the newest one
 * that it was shown or told of (`attempt`). `seen`: where the task was when it was last looked at.
 */
export function narrator(attempt = 1): (event: EventJson, seen: Stage | null) => Told | null {
  let newest = attempt
  let savedAt: string | null = null
  /** The verdict fell with this change: the stage that it leaves is the one that failed. */
  let isFailing = false
  let silentMs = 0

  function left(event: EventJson, { stage, ms }: StageTime, seen: Stage | null): Told | null {
    const isFailed = isFailing
    isFailing = false
    const isFetch = stage === 'node_selection' && seen === 'fetch'
    if (isFailed) return { mark: '✗', text: stageNow(isFetch ? 'fetch' : stage, event.nodeName), ms }
    if (stage === 'workspace_creation' && event.data.to === 'workspace_ready') {
      const placedMs = silentMs + (ms ?? 0)
      silentMs = 0
      return { mark: '✓', text: stageDone(stage, event.nodeName), ms: placedMs }
    }
    silentMs = SILENT.includes(stage) ? silentMs + (ms ?? 0) : 0
    return SILENT.includes(stage) ? null : { mark: '✓', text: stageDone(stage, event.nodeName), ms }
  }

  return (event, seen) => {
    const of = event.attempt ?? newest
    if (of < newest) return null
    if (of > newest) {
      newest = of
      savedAt = null
      isFailing = false
      silentMs = 0
    }
    if (event.type === 'task.status') {
      isFailing = event.data.to === 'failed' || event.data.to === 'cancelled'
      return statusTold(event)
    }
    if (TOLD_AS_THEY_ARE.includes(event.type)) return { mark: '·', text: eventText(event), ms: null }
    const stage = stageLeft(event, savedAt)
    if (event.type === 'task.saved' && stage) savedAt = event.at
    if (event.type === 'task.step') savedAt = null
    return stage && left(event, stage, seen)
  }
}

const TOLD_AS_THEY_ARE = ['task.push', 'task.held', 'task.released', 'task.blocked']

/** An unexpected turn. How the task ended is told by what stands at its end. */
function statusTold({ data: { from, to, reason } }: EventJson): Told | null {
  const why = typeof reason === 'string' && reason !== '' ? `: ${oneLine(reason)}` : ''
  if (to === 'parked') return { mark: '=', text: `parked${why}`, ms: null }
  if (from === 'parked' && (to === 'queued' || to === 'in_progress')) return { mark: '·', text: 'goes on', ms: null }
  return to === 'queued' && from ? { mark: '·', text: `queued again${why}`, ms: null } : null
}

/** A mark, words and a time, in columns. */
export const stageColumn = (mark: string, words: string, time: string): string =>
  `${mark} ${words.padEnd(24)} ${time.padStart(7)}`

/** `✓ repository copied            1.2s`. */
export const toldText = ({ mark, text, ms }: Told): string =>
  ms === null ? `${mark} ${text}` : stageColumn(mark, text, took(ms))
