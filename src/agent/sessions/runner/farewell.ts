/**
 * How a conversation ends: when nothing is open, the agent's stdin ends, which means that no more will come; an agent
 * that stays all the same is ended. While a turn or work in the background goes on, only the limits of the run end it.
 */
import type { Writable } from 'node:stream'
import type { Clock } from '../../../platform/world.ts'

/** An agent that has said its end and got no more stdin has this long to go. */
const LINGER_MS = 60_000
/** How long the end of stdin waits for a prompt to be confirmed that was written after the turn's end. */
const CONFIRM_MS = 10_000
/** After its background work an agent may begin a turn of its own about it. */
const SETTLE_MS = 3_000

/** What is open now. */
export interface Open {
  turn: boolean
  background: boolean
  prompt: boolean
}

export interface Farewell {
  /** Called again and again, more often than the waits are long. */
  look(open: Open): void
  /** Nothing more can be written. */
  isClosed(): boolean
  /** It had said its end, and was ended because it stayed. */
  hasLingered(): boolean
}

export function openFarewell(clock: Clock, input: Writable | null, terminate: () => void): Farewell {
  let isClosed = input === null
  let hasLingered = false
  /** Since when nothing is open. */
  let overSince: number | null = null
  let workedAt = Number.NEGATIVE_INFINITY
  return {
    look: open => {
      const now = clock.mono()
      if (open.background) workedAt = now
      if (open.turn || open.background) {
        overSince = null
        return
      }
      overSince ??= now
      if (!isClosed) {
        if (now - workedAt < SETTLE_MS || (open.prompt && now - overSince < CONFIRM_MS)) return
        isClosed = true
        input?.end()
        overSince = now
      } else if (!hasLingered && now - overSince > LINGER_MS) {
        hasLingered = true
        terminate()
      }
    },
    isClosed: () => isClosed,
    hasLingered: () => hasLingered,
  }
}
