/** One connection to the PostgreSQL that takes writes, of those that the url names. `pg` is loaded by the first. */
import type { Client, QueryConfig } from 'pg'
import type { Host } from './hosts.ts'

export type Row = Readonly<Record<string, unknown>>

export interface Connection {
  host: Host
  /** One statement. Rejects when it failed, was not answered in time, or its COMMIT is in doubt. */
  query(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** The same, prepared once a connection under `name`. */
  prepared(name: string, text: string, values: readonly unknown[]): Promise<Row[]>
  isOpen(): boolean
  close(): void
}

const CONNECT_MS_MAX = 2_000
/** A statement that waits for a lock gives up before its answer is given up: the connection stays good. */
const STATEMENT_MS_MAX = 4_000
const ANSWER_MS_MAX = 5_000
const KEEP_ALIVE_MS = 5_000
/** What PostgreSQL warns of when a COMMIT is cut off while it waits for the synchronous standby (errcode 01000). */
const DOUBT = '01000'

/** Where it is set lower for the database or the user: a write counts once it is on the disk there, and on that of a synchronous standby. */
const BEGIN = `select pg_is_in_recovery() as standby, case when current_setting('synchronous_commit') not in ('on', 'remote_apply')
  then set_config('synchronous_commit', 'on', false) end`

/** Dials every host at once, for one of a dead machine takes its whole time. Rejects with what the hosts said. */
export async function connectPrimary(hosts: readonly Host[], application: string): Promise<Connection> {
  const tries = hosts.map(host => connect(host, application))
  try {
    const first = await Promise.any(tries)
    for (const other of tries) other.then(late => late !== first && late.close()).catch(() => {})
    return first
  } catch (error) {
    throw new Error(error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error))
  }
}

async function connect(host: Host, application: string): Promise<Connection> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    connectionString: host.url,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
    statement_timeout: STATEMENT_MS_MAX,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: application,
  })
  const connection = wrap(client, host)
  try {
    await client.connect()
    const [row] = await connection.query(BEGIN)
    if (row?.standby !== false) throw new Error('it is a standby of PostgreSQL and takes no writes')
    return connection
  } catch (error) {
    connection.close()
    throw new Error(`${host.shown}: ${messageOf(error)}`, { cause: error })
  }
}

function wrap(client: Client, host: Host): Connection {
  let isOpen = true
  let doubt: string | undefined
  client.on('error', () => (isOpen = false))
  client.on('end', () => (isOpen = false))
  client.on('notice', ({ code, message }) => {
    if (code === DOUBT) doubt = message ?? 'the COMMIT is in doubt'
  })

  async function ask(config: QueryConfig): Promise<Row[]> {
    const { rows } = await client.query(config)
    if (doubt !== undefined) throw new Error(doubt)
    return rows
  }

  return {
    host,
    query: (text, values = []) => ask({ text, values: [...values] }),
    prepared: (name, text, values) => ask({ name, text, values: [...values] }),
    isOpen: () => isOpen,
    close() {
      isOpen = false
      client.end().catch(() => {})
    },
  }
}

/** SQLSTATE, or what Node calls the error of a socket. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Node says nothing of its own when every address of a name refused. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message || codeOf(error) : String(error)
}
