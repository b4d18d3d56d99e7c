/**
 * What the agent has to tell, numbered and kept until the workspace is deleted. An event is visible only after its
 * line is on the disk, and a number is never given twice: the first line of the file says which ones are used up.
 */
import { join } from 'node:path'
import { z } from 'zod'
import type { Cancel, World } from '../../platform/world.ts'
import { type AgentEvent, agentEvent } from '../../protocol/agent-api.ts'
import { counter } from '../../protocol/shapes.ts'
import { type Lines, openLines } from './lines.ts'

export type EventDraft = Omit<AgentEvent, 'seq' | 'at'>

export interface Outbox {
  /** Stores the event; its number also goes into its data. */
  add(draft: EventDraft): AgentEvent
  /** Whether such an event is there: one of a type for each workspace and session. */
  has(type: string, workspaceId: string, sessionId: string | null): boolean
  after(seq: number, countMax: number): AgentEvent[]
  of(workspaceId: string): AgentEvent[]
  /** Like `after`, but waits for the first event, `ms` at most, or until `signal`. */
  waitAfter(seq: number, countMax: number, ms: number, signal: AbortSignal): Promise<AgentEvent[]>
  forget(workspaceId: string): void
  /** Called after each new event. */
  onEvent(listener: (event: AgentEvent) => void): void
  close(): void
}

const usedUp = z.object({ usedUpTo: counter })
const keyOf = (type: string, workspaceId: string | null, sessionId: string | null) =>
  `${type} ${workspaceId} ${sessionId}`

export function openOutbox(world: World, state: string): Outbox {
  const { lines, found } = openLines(join(state, 'outbox.jsonl'))
  const loaded = parse(found)
  let events = loaded.events
  let last = loaded.last
  if (loaded.damaged) rewrite(lines, last, events)
  const keys = new Set(events.map(event => keyOf(event.type, event.workspaceId, event.sessionId)))
  const listeners = new Set<(event: AgentEvent) => void>()

  const outbox: Outbox = {
    add: draft => {
      const seq = last + 1
      const event = { seq, at: new Date(world.clock.now()).toISOString(), ...draft, data: { seq, ...draft.data } }
      world.failpoint('before', 'outbox')
      lines.append([JSON.stringify(event)])
      world.failpoint('after', 'outbox')
      last = seq
      events.push(event)
      keys.add(keyOf(event.type, event.workspaceId, event.sessionId))
      for (const listener of [...listeners]) listener(event)
      return event
    },
    has: (type, workspaceId, sessionId) => keys.has(keyOf(type, workspaceId, sessionId)),
    after: (seq, countMax) => events.slice(firstAfter(events, seq)).slice(0, countMax),
    of: workspaceId => events.filter(event => event.workspaceId === workspaceId),
    waitAfter: (seq, countMax, ms, signal) =>
      new Promise(resolve => {
        const done = () => {
          cancel()
          listeners.delete(done)
          signal.removeEventListener('abort', done)
          resolve(outbox.after(seq, countMax))
        }
        const cancel: Cancel = world.clock.timer(ms, done)
        listeners.add(done)
        signal.addEventListener('abort', done, { once: true })
        if (signal.aborted || outbox.after(seq, 1).length > 0) done()
      }),
    forget: workspaceId => {
      const kept = events.filter(event => event.workspaceId !== workspaceId)
      if (kept.length === events.length) return
      rewrite(lines, last, kept)
      events = kept
      keys.clear()
      for (const event of kept) keys.add(keyOf(event.type, event.workspaceId, event.sessionId))
    },
    onEvent: listener => void listeners.add(listener),
    close: () => lines.close(),
  }
  return outbox
}

function rewrite(lines: Lines, last: number, events: readonly AgentEvent[]): void {
  lines.rewrite([JSON.stringify({ usedUpTo: last }), ...events.map(event => JSON.stringify(event))])
}

/** A line that cannot be read may have had any number of its own: one is counted as used up for it. */
function parse(found: readonly string[]): { events: AgentEvent[]; last: number; damaged: boolean } {
  const events: AgentEvent[] = []
  let marked = 0
  let unreadable = 0
  for (const line of found) {
    const value = parseLine(line)
    const event = agentEvent.safeParse(value)
    const mark = usedUp.safeParse(value)
    if (event.success && event.data.seq > (events.at(-1)?.seq ?? 0)) events.push(event.data)
    else if (mark.success) marked = Math.max(marked, mark.data.usedUpTo)
    else unreadable += 1
  }
  const last = Math.max(marked, events.at(-1)?.seq ?? 0) + unreadable
  return { events, last, damaged: unreadable > 0 }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function firstAfter(events: readonly AgentEvent[], seq: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((events[middle]?.seq ?? 0) > seq) high = middle
    else low = middle + 1
  }
  return low
}
