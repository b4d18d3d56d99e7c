/** The dashboard's only way to the daemon: every string that comes through it is harmless for a terminal. */
import type { Client, Request } from '../../clients/control.ts'
import { type Streamed, streamEvents } from '../../clients/events.ts'
import type { Clock } from '../../platform/world.ts'
import type { EventJson } from '../../protocol/control.ts'
import { sanitize } from '../../text/sanitize.ts'
import type { Store } from '../store.ts'

export interface Remote {
  call<T>(request: Request): Promise<T>
  text(request: Request): Promise<string>
  /** Bytes as they are, for a log whose sequences may be cut anywhere; `log.ts` cleans its lines. */
  raw: Client['raw']
  /** Goes on for ever: a dashboard outlives its daemon. */
  events(after: number, signal: AbortSignal): AsyncGenerator<Streamed>
}

export function remoteOf(client: Client): Remote {
  return {
    call: async <T>(request: Request) => harmless(await client.call<T>(request)),
    text: async request => sanitize((await client.raw(request)).body.toString('utf8')),
    raw: client.raw,
    async *events(after, signal) {
      for await (const streamed of streamEvents(client, { after, signal, awayMsMax: Infinity })) {
        yield streamed.kind === 'event' ? { kind: 'event', event: harmless(streamed.event) } : streamed
      }
    },
  }
}

/** The same value with every string in it made harmless, keys included. */
export function harmless<T>(value: T): T {
  // Maps strings to strings and keeps every shape, which the compiler cannot see.
  return clean(value) as T
}

/** Most strings are plain, and a busy journal has thousands of them a second. */
const PLAIN = /^[\x20-\x7e]*$/

function clean(value: unknown): unknown {
  if (typeof value === 'string') return PLAIN.test(value) ? value : sanitize(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [clean(key), clean(inner)]))
}

/** What every part of the dashboard is handed. */
export interface Parts {
  store: Store
  remote: Remote
  clock: Clock
  /** Aborted when the dashboard is left. */
  signal: AbortSignal
  /** Called with what the journal tells, as it happens. */
  heard?(events: readonly EventJson[]): void
}
