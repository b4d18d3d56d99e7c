/** A PostgreSQL with the standby that its commits wait for, and bench hosts that share their state there. */
import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { type Postgres, postgresPrograms, startPostgres } from '../../../system/cluster/support/postgres.ts'
import { type Host, makeFolder, startHost } from '../load/host.ts'

export interface Pair {
  /** A url with a database of its own. */
  freshUrl(): Promise<string>
  /** Processor time of both so far, in ms. */
  cpuMs(): number
  /** Rows in the database of that url. */
  rows(url: string): Promise<number>
  /** A host that shares its state there, or has a file of its own; resolves when it serves or stands by. */
  host(url: string | null, name: string): Promise<Host>
  /** What the two databases are doing, for a row that did not finish. */
  state(): Promise<string>
  /** Ends the hosts, with their folders. */
  endHosts(): Promise<void>
  remove(): Promise<void>
}

const FOLLOW_MS_MAX = 30_000

/** Undefined where PostgreSQL is not installed. */
export async function startPair(): Promise<Pair | undefined> {
  if (postgresPrograms() === undefined) return undefined
  const servers: Postgres[] = []
  const hosts: { host: Host; folder: ReturnType<typeof makeFolder> }[] = []
  let count = 0
  // A bench that is interrupted leaves nothing that runs.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  process.once('exit', () => {
    for (const { host, folder } of hosts) {
      host.signal('SIGKILL')
      folder.remove()
    }
    for (const server of servers) void server.kill()
  })

  async function remove(): Promise<void> {
    await endHosts()
    for (const server of servers.splice(0).reverse()) await server.remove()
  }

  async function endHosts(): Promise<void> {
    for (const { host, folder } of hosts.splice(0)) {
      await host.kill()
      folder.remove()
    }
  }

  async function start(): Promise<Postgres> {
    const primary = await startPostgres({ settings: { wal_keep_size: '256MB' } })
    servers.push(primary)
    servers.push(await startPostgres({ following: { primary, as: 'second' } }))
    await primary.query('postgres', "alter system set synchronous_standby_names = 'second'")
    await primary.query('postgres', 'select pg_reload_conf()')
    const until = performance.now() + FOLLOW_MS_MAX
    const states = () => primary.query('postgres', 'select sync_state from pg_stat_replication')
    while ((await states())[0]?.sync_state !== 'sync') {
      if (performance.now() > until) throw new Error('the standby does not follow')
      await pause(50)
    }
    return primary
  }

  try {
    const primary = await start()
    return {
      freshUrl: () => primary.url(`bench${++count}`),
      cpuMs: () => servers.reduce((sum, server) => sum + treeCpuMs(server.pid() ?? 0), 0),
      async rows(url) {
        const database = new URL(url).pathname.slice(1)
        const [row] = await primary.query(database, 'select count(*) as count from tdf_ledger.rows')
        return Number(row?.count)
      },
      async state() {
        const text = 'select state, sync_state from pg_stat_replication'
        return JSON.stringify(await primary.query('postgres', text).catch(String))
      },
      async host(url, name) {
        const folder = makeFolder()
        const env = url === null ? {} : { STORE_URL: url, MEMBER: name }
        const host = await startHost('tdf', folder.dir, env, [200, 503])
        hosts.push({ host, folder })
        return host
      },
      endHosts,
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

const TICK_MS = 10

/** Of a process with its children, those that ended and were waited for included (proc(5): fields 14 to 17). */
function treeCpuMs(pid: number): number {
  const of = (fields: readonly string[], ...which: number[]) => which.reduce((sum, at) => sum + Number(fields[at]), 0)
  const children = readdirSync('/proc').filter(name => /^\d+$/.test(name) && statOf(name)?.[1] === String(pid))
  const own = of(statOf(String(pid)) ?? [], 11, 12, 13, 14)
  return TICK_MS * children.reduce((sum, child) => sum + of(statOf(child) ?? ['0'], 11, 12), own)
}

/** What stands behind the name of a process: its state, its parent, …; undefined when it has ended. */
function statOf(pid: string): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return undefined
  }
}
