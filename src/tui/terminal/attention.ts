/** What reaches a person who looks elsewhere: the title of the terminal, and calls by its bell or as a notification. */
import type { EventJson } from '../../protocol/control.ts'
import type { Model } from '../state/model.ts'
import { GROUPS } from '../state/states.ts'

export type Occasion = 'done' | 'failed' | 'needs-you'

export interface Attention {
  how: 'none' | 'bell' | 'osc9'
  on: readonly Occasion[]
  /** Inside of tmux, which hands on only what is wrapped. */
  isTmux: boolean
}

const BELL = '\x07'
const ESCAPE = '\x1b'

/** `tdf 3▶ 1✗`: what runs, what needs its user, and what failed since the dashboard was opened. */
export function titleOf({ tally, failedSince }: Pick<Model, 'tally' | 'failedSince'>): string {
  const count = (word: string) => tally[GROUPS.findIndex(group => group.word === word)] ?? 0
  return shortState(count('running') + count('starting'), count('need you'), failedSince.size, 'tdf')
}

/** For a title, a prompt or a status line: `3▶ 1? 1✗`. Only what there is. */
export function shortState(running: number, needYou: number, failed: number, first = ''): string {
  const parts = [first, running && `${running}▶`, needYou && `${needYou}?`, failed && `${failed}✗`]
  return parts.filter(Boolean).join(' ')
}

/** The bytes that call for what just happened; empty when nothing is asked for. */
export function callFor(events: readonly EventJson[], { how, on, isTmux }: Attention): string {
  if (how === 'none') return ''
  const happened = events.flatMap(event => {
    const occasion = occasionOf(event)
    return occasion && on.includes(occasion) ? [occasion] : []
  })
  if (happened.length === 0) return ''
  if (how === 'bell') return BELL
  const text = on.flatMap(occasion => {
    const count = happened.filter(one => one === occasion).length
    return count === 0 ? [] : [`${count} ${WORDS[occasion]}`]
  })
  const notice = `${ESCAPE}]9;tdf: ${text.join(', ')}${BELL}`
  return isTmux ? `${ESCAPE}Ptmux;${notice.replaceAll(ESCAPE, ESCAPE + ESCAPE)}${ESCAPE}\\` : notice
}

const WORDS: Record<Occasion, string> = { done: 'done', failed: 'failed', 'needs-you': 'waiting for you' }

function occasionOf({ type, data }: EventJson): Occasion | null {
  if (type === 'task.step') return data.to === 'awaiting_followup' ? 'needs-you' : null
  if (type !== 'task.status') return null
  if (data.to === 'completed') return 'done'
  return data.to === 'failed' ? 'failed' : null
}
