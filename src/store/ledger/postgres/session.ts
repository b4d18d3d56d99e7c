/** Asks PostgreSQL until it answers, over as many connections as that takes: for what may be asked twice. */
import { backoffMs } from '../../../core/backoff.ts'
import { TdfError } from '../../../core/errors.ts'
import type { Log } from '../../../platform/log.ts'
import { type Clock, makeLines, sleep } from '../../../platform/world.ts'
import { type Connection, codeOf, connectPrimary, messageOf } from './connection.ts'
import type { Host } from './hosts.ts'
import { FENCED_STATE } from './schema.ts'

export interface SessionOptions {
  hosts: readonly Host[]
  clock: Clock
  log: Log
  /** As PostgreSQL lists it (pg_stat_activity). */
  application: string
}

export interface Session {
  /** Again until it is answered. Rejects with FENCED when another daemon serves, and with DAEMON_STOPPING once it is closed. */
  ask<T>(act: (connection: Connection) => Promise<T>): Promise<T>
  /** Since when (Unix ms) nothing is answered, and what was said last; null while all is well. */
  outage(): { since: number; error: string } | null
  close(): void
}

const RETRY = { baseMs: 50, maxMs: 500 }
/** An answer that takes so long is worth telling. */
const SLOW_MS = 1_000
/** A lock that was not had in time, a deadlock: the connection is as good as before (errcodes). */
const STILL_GOOD = ['57014', '55P03', '40001', '40P01']

export function createSession({ hosts, clock, log, application }: SessionOptions): Session {
  const stopped = new AbortController()
  // A transaction of several statements is not mixed with others.
  const line = makeLines()
  const asked = new Set<{ since: number }>()
  let connecting: Promise<Connection> | undefined
  let connection: Connection | undefined
  let failure: { since: number; error: string } | null = null

  async function connected(): Promise<Connection> {
    if (connection?.isOpen()) return connection
    connecting ??= connectPrimary(hosts, application).finally(() => (connecting = undefined))
    const fresh = await connecting
    if (stopped.signal.aborted) fresh.close()
    else connection = fresh
    return fresh
  }

  async function ask<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    const entry = { since: clock.now() }
    asked.add(entry)
    try {
      for (let tries = 1; ; tries++) {
        assertOpen()
        const answer = await line('act', () => once(act))
        if (answer !== undefined) return answer.value
        await sleep(clock, backoffMs(tries, RETRY), stopped.signal).catch(() => {})
      }
    } finally {
      asked.delete(entry)
    }
  }

  /** Undefined when it has to be asked again. */
  async function once<T>(act: (connection: Connection) => Promise<T>): Promise<{ value: T } | undefined> {
    let used: Connection | undefined
    try {
      used = await connected()
      const value = await act(used)
      if (failure !== null) log.info({ host: used.host.shown }, 'the database answers again')
      failure = null
      return { value }
    } catch (error) {
      if (codeOf(error) === FENCED_STATE) throw new TdfError('FENCED', `another daemon serves: ${messageOf(error)}`)
      if (error instanceof TdfError) throw error
      noteFailure(messageOf(error))
      if (!STILL_GOOD.includes(codeOf(error))) used?.close()
      return undefined
    }
  }

  function noteFailure(error: string): void {
    if (stopped.signal.aborted) return
    if (failure?.error !== error) log.warn({ err: error }, 'the database does not answer: asked again')
    failure = { since: failure?.since ?? clock.now(), error }
  }

  function assertOpen(): void {
    if (stopped.signal.aborted) throw new TdfError('DAEMON_STOPPING', 'the connection to the database is closed')
  }

  return {
    ask,
    outage() {
      if (failure !== null) return failure
      const since = Math.min(...[...asked].map(entry => entry.since))
      return clock.now() - since > SLOW_MS && since < Number.POSITIVE_INFINITY
        ? { since, error: 'no answer yet' }
        : null
    },
    close() {
      stopped.abort()
      connection?.close()
    },
  }
}
