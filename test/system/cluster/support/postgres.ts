/** A real PostgreSQL of this machine's packages: on loopback, in a temporary folder, as a user that is not root. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'

const VERSIONS = '/usr/lib/postgresql'
const READY_MS_MAX = 60_000

/** The folder of the newest PostgreSQL that is installed; undefined where there is none. */
export function postgresPrograms(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined
  const newest = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))
  return newest
    .map(version => path.join(VERSIONS, version, 'bin'))
    .find(folder => existsSync(path.join(folder, 'initdb')))
}

export interface Postgres {
  port: number
  /** Of its first process, while it runs. */
  pid(): number | undefined
  /** A url with a database of its own for each name. */
  url(database: string): Promise<string>
  /** Runs one statement in a database, past everything that is tested. */
  query(database: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** SIGKILL of every process of it at once, as when its machine loses power. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT of every process of it. */
  freeze(): void
  thaw(): void
  start(): Promise<void>
  /** Makes it take writes from now on. */
  promote(): void
  remove(): Promise<void>
}

export interface PostgresOptions {
  /** Lines of postgresql.conf. */
  settings?: Record<string, string>
  /** Copies that one and follows it, under this name (synchronous_standby_names). */
  following?: { primary: Postgres; as: string }
}

export async function startPostgres({ settings = {}, following }: PostgresOptions = {}): Promise<Postgres> {
  const programs = postgresPrograms()
  if (programs === undefined) throw new Error('there is no PostgreSQL here')
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-postgres-'))
  const user = userOf()
  if (user) chownSync(folder, user.uid, user.gid)
  const data = path.join(folder, 'data')
  const options = { ...(user ?? {}), cwd: folder, stdio: 'ignore' } as const
  const port = await freePort()
  if (following) {
    const from = `host=127.0.0.1 port=${following.primary.port} user=postgres application_name=${following.as}`
    execFileSync(
      path.join(programs, 'pg_basebackup'),
      ['-D', data, '-d', from, '-R', '-X', 'stream', '-c', 'fast'],
      options,
    )
  } else {
    const how = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N']
    execFileSync(path.join(programs, 'initdb'), how, options)
  }
  const lines = {
    listen_addresses: "'127.0.0.1'",
    port,
    unix_socket_directories: "''",
    max_connections: 100,
    ...settings,
  }
  writeFileSync(
    path.join(data, 'tdf.conf'),
    Object.entries(lines)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join(''),
  )
  if (user) chownSync(path.join(data, 'tdf.conf'), user.uid, user.gid)
  if (!following) writeFileSync(path.join(data, 'postgresql.conf'), "include = 'tdf.conf'\n", { flag: 'a' })

  let main: ChildProcess | undefined
  const urlOf = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`

  async function start(): Promise<void> {
    main = spawn(path.join(programs ?? '', 'postgres'), ['-D', data], options)
    const until = performance.now() + READY_MS_MAX
    while (!(await answers(urlOf('postgres')))) {
      if (performance.now() > until || main.exitCode !== null) throw new Error('PostgreSQL did not start')
      await pause(50)
    }
  }

  function signalAll(signal: NodeJS.Signals): void {
    for (const pid of main?.pid === undefined ? [] : [main.pid, ...childrenOf(main.pid)]) {
      try {
        process.kill(pid, signal)
      } catch {
        // It ended meanwhile.
      }
    }
  }

  async function query(database: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: urlOf(database) })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(text, values)).rows
    } finally {
      await client.end()
    }
  }

  async function kill(): Promise<void> {
    const ended = main
    signalAll('SIGKILL')
    while (ended && ended.exitCode === null && ended.signalCode === null) await pause(10)
    main = undefined
  }

  await start()
  return {
    port,
    pid: () => main?.pid,
    async url(database) {
      const known = await query('postgres', 'select 1 from pg_database where datname = $1', [database])
      if (known.length === 0) await query('postgres', `create database "${database}"`)
      return urlOf(database)
    },
    query,
    kill,
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    start,
    promote() {
      execFileSync(path.join(programs, 'pg_ctl'), ['promote', '-D', data, '-w'], options)
    },
    async remove() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL does not run as root; its package brings a user. */
export function userOf(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [, , uid, gid] = /^postgres:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error('there is no user postgres')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Below those that systems give to connections, one of which would keep a server from starting; each is handed out once. */
const PORTS = { first: 12_000, last: 31_999 }
const given = new Set<number>()

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.first, PORTS.last + 1)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    client.end().catch(() => {})
  }
}

/** Backends are children of the first process, each in a session of its own. */
export function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.map(Number).filter(pid => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === parent
    } catch {
      return false
    }
  })
}
