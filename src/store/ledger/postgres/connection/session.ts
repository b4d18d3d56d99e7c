/** Asks PostgreSQL until it answers, over as many connections as that takes: for what may be asked twice. */
import { backoffMs } from '../../../../core/backoff.ts'
import { TdfError } from '../../../../core/errors.ts'
import type { Log } from '../../../../platform/log.ts'
import { type Clock, makeLines, sleep } from '../../../../platform/world.ts'
import { FENCED_STATE } from '../schema.ts'
import { type Connection, codeOf, connectPrimary, messageOf } from './connection.ts'
import type { Host } from './hosts.ts'

export interface SessionOptions {
  hosts: readonly Host[]
  clock: Clock
  log: Log
  /** As PostgreSQL lists it (pg_stat_activity). */
  application: string
}

/** What is asked for; all of its statements go over one connection, and no others between them. */
type Act<T> = (connection: Connection) => Promise<T>

export interface Session {
  /** Again until it is answered. Rejects with FENCED when another daemon serves, and with DAEMON_STOPPING once it is closed. */
  ask<T>(act: Act<T>): Promise<T>
  /** Since when (Unix ms) nothing is answered, and what was said last; null while all is well. */
  outage(): { since: number; error: string } | null
  /** A last thing, for which it is waited two seconds at most; then it is closed. */
  closeAfter(act: Act<unknown>): Promise<void>
  close(): void
}

const CLOSE_MS_MAX = 2_000
const RETRY = { baseMs: 50, maxMs: 500 }
/** An answer that takes so long is worth telling. */
const SLOW_MS = 1_000
/** A lock that was not had in time, a deadlock: the connection is as good as before (errcodes). */
const STILL_GOOD = ['57014', '55P03', '40001', '40P01']

export function createSession(options: SessionOptions): Session {
  const { clock } = options
  const stopped = new AbortController()
  const line = makeLines()
  const failures = createFailures(options)
  const asked = new Set<{ since: number }>()
  let connection: Connection | undefined

  async function connected(): Promise<Connection> {
    if (connection?.isOpen()) return connection
    connection = await connectPrimary(options.hosts, options.application)
    if (stopped.signal.aborted) connection.close()
    return connection
  }

  /** Undefined when it has to be asked again. */
  async function once<T>(act: Act<T>): Promise<{ value: T } | undefined> {
    if (stopped.signal.aborted) throw new TdfError('DAEMON_STOPPING', 'the connection to the database is closed')
    let used: Connection | undefined
    try {
      used = await connected()
      const value = await act(used)
      failures.end(used.host)
      return { value }
    } catch (error) {
      if (codeOf(error) === FENCED_STATE) throw new TdfError('FENCED', `another daemon serves: ${messageOf(error)}`)
      if (error instanceof TdfError) throw error
      if (!stopped.signal.aborted) failures.note(messageOf(error))
      if (!STILL_GOOD.includes(codeOf(error))) used?.close()
      return undefined
    }
  }

  async function ask<T>(act: Act<T>): Promise<T> {
    const entry = { since: clock.now() }
    asked.add(entry)
    try {
      for (let tries = 1; ; tries++) {
        const answer = await line('act', () => once(act))
        if (answer !== undefined) return answer.value
        await sleep(clock, backoffMs(tries, RETRY), stopped.signal).catch(() => {})
      }
    } finally {
      asked.delete(entry)
    }
  }

  function close(): void {
    stopped.abort()
    connection?.close()
  }

  return {
    ask,
    outage() {
      const since = Math.min(...[...asked].map(entry => entry.since))
      const isSlow = asked.size > 0 && clock.now() - since > SLOW_MS
      return failures.newest() ?? (isSlow ? { since, error: 'no answer yet' } : null)
    },
    async closeAfter(act) {
      const cancel = clock.timer(CLOSE_MS_MAX, close)
      await ask(act).catch(() => {})
      cancel()
      close()
    },
    close,
  }
}

/** What was said since the last answer; told to the log when it changes. */
function createFailures({ clock, log }: Pick<SessionOptions, 'clock' | 'log'>) {
  let newest: { since: number; error: string } | null = null
  return {
    newest: () => newest,
    note(error: string) {
      if (newest?.error !== error) log.warn({ err: error }, 'the database does not answer: asked again')
      newest = { since: newest?.since ?? clock.now(), error }
    },
    end(host: Host) {
      if (newest !== null) log.info({ host: host.shown }, 'the database answers again')
      newest = null
    },
  }
}
