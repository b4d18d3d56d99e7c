/**
 * The journal as it happens. A stream that breaks is taken up where it was; losing it says nothing about a task, so
 * a caller that decides something reads the task itself after every `look`.
 */
import type { IncomingMessage } from 'node:http'
import { createParser } from 'eventsource-parser'
import { asTdfError, TdfError } from '../core/errors.ts'
import { realWorld, sleep } from '../platform/world.ts'
import type { EventJson } from '../protocol/control.ts'
import { type Client, isAway } from './control.ts'

const AWAY_MS_MAX = 60_000
const RETRY_MS_MIN = 200
const RETRY_MS_MAX = 5_000

export type Streamed =
  | { kind: 'event'; event: EventJson }
  /** The stream is open and may have missed something: look at things anew. */
  | { kind: 'look' }
  /** The daemon went away; said once, before the stream is tried again. */
  | { kind: 'away' }

export interface StreamOptions {
  /** Begins behind this event, or now. */
  after: number | 'now'
  signal: AbortSignal
  /**
   * How long a daemon may be away, as for a restart, before the stream gives up, in ms. A minute by default; for ever,
   * it may also be away at first.
   */
  awayMsMax?: number
}

/** Throws what the daemon refuses, and DAEMON_UNREACHABLE when it is away at first or stays away. */
export async function* streamEvents(client: Client, options: StreamOptions): AsyncGenerator<Streamed> {
  const { after, signal, awayMsMax = AWAY_MS_MAX } = options
  const { clock } = realWorld()
  let last: number | 'now' = after
  let awaySince: number | null = null
  let delayMs = RETRY_MS_MIN
  // A daemon that was never reached is not one that restarts.
  let wasThere = awayMsMax === Infinity
  while (!signal.aborted) {
    try {
      const headers = { accept: 'text/event-stream' }
      const response = await client.stream({ path: `/events?after=${last}`, headers, signal })
      wasThere = true
      awaySince = null
      delayMs = RETRY_MS_MIN
      yield { kind: 'look' }
      for await (const streamed of messages(response)) {
        if (streamed.seq !== null) last = streamed.seq
        yield streamed.event ? { kind: 'event', event: streamed.event } : { kind: 'look' }
      }
    } catch (thrown) {
      if (signal.aborted) return
      // A broken connection has no row of its own; a daemon that refuses does.
      const isBroken = isAway(thrown) || asTdfError(thrown).code === 'BUG'
      if (!wasThere || !isBroken) throw thrown
    }
    if (signal.aborted) return
    if (awaySince === null) yield { kind: 'away' }
    awaySince ??= clock.mono()
    if (clock.mono() - awaySince > awayMsMax) {
      throw new TdfError('DAEMON_UNREACHABLE', `the daemon went away and did not come back in ${awayMsMax / 1000} s`)
    }
    await sleep(clock, delayMs, signal).catch(() => {})
    delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)
  }
}

interface Message {
  seq: number | null
  /** Null when the server says that something was left out. */
  event: EventJson | null
}

async function* messages(response: IncomingMessage): AsyncGenerator<Message> {
  const parsed: Message[] = []
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      const seq = id === undefined ? null : Number(id)
      // The daemon's own words, of the version that `tdf version` compares.
      parsed.push({ seq, event: event === 'journal' ? (JSON.parse(data) as EventJson) : null })
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of response) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    yield* parsed.splice(0)
  }
}
