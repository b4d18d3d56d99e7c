/** Three PostgreSQL under Patroni and three members of etcd, from this machine's packages; a "machine" is a group of processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import pg from 'pg'
import { hasEnded, until } from '../../../support/daemon/home.ts'
import { childrenOf, freePort, postgresPrograms, userOf } from './postgres.ts'

export interface Machine {
  name: string
  start(): void
  /** SIGKILL of all of its processes at once, as when it loses power. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
}

export interface Database extends Machine {
  port: number
  /** The first process of PostgreSQL. */
  postmaster(): number
}

export interface Trio {
  databases: Database[]
  etcd: Machine[]
  /**
   * Waits until one takes writes, so many others follow it, and Patroni has on record which of them has every COMMIT: before that none
   * of them may take its place.
   */
  leader(followers: number): Promise<Database>
  url(database: string): string
  remove(): Promise<void>
}

/** As docs/cluster.md says, but that what costs little is looked at more often. Patroni takes no shorter ttl. */
const SHARED = {
  ttl: 20,
  loop_wait: 1,
  retry_timeout: 3,
  synchronous_mode: true,
  synchronous_mode_strict: true,
  postgresql: { use_pg_rewind: true, parameters: { synchronous_commit: 'on' } },
}
/** A killed process loses nothing that it wrote: only the end of the real machine would ask for it on the disk. */
const PARAMETERS = { fsync: false, max_connections: 50, shared_buffers: '32MB', wal_log_hints: true }
const READY_MS_MAX = 180_000
const NAMES = ['1', '2', '3']

interface Place {
  folder: string
  user: { uid: number; gid: number } | undefined
}

export async function startTrio(): Promise<Trio> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-patroni-'))
  const user = userOf()
  if (user) chownSync(folder, user.uid, user.gid)
  const place = { folder, user }
  const members = await Promise.all(
    NAMES.map(async name => ({ name: `etcd-${name}`, peer: await freePort(), client: await freePort() })),
  )
  const etcd = members.map(member => etcdMember(place, member, members))
  const ports = await Promise.all(NAMES.map(async name => ({ name, port: await freePort(), rest: await freePort() })))
  const hosts = members.map(({ client }) => local(client))
  const databases = ports.map(at => database(place, at, hosts))
  for (const one of [...etcd, ...databases]) one.start()

  return {
    databases,
    etcd,
    async leader(followers) {
      let found: Database | undefined
      await until(
        `one of PostgreSQL takes writes, ${followers} follow, and one of them may take its place`,
        async () => {
          for (const [index, at] of ports.entries()) if (await leads(at, followers)) found = databases[index]
          return found !== undefined
        },
        READY_MS_MAX,
      ).catch(error => {
        throw new Error([String(error), ...[...etcd, ...databases].map(one => lastWords(folder, one))].join('\n'))
      })
      return found as Database
    },
    url: name => `postgres://postgres@${ports.map(({ port }) => local(port)).join(',')}/${name}`,
    async remove() {
      for (const one of [...databases, ...etcd]) await one.kill()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}

const local = (port: number) => `127.0.0.1:${port}`

interface Member {
  name: string
  peer: number
  client: number
}

function etcdMember(place: Place, { name, peer, client }: Member, all: readonly Member[]): Machine {
  const words = [
    'etcd',
    `--name=${name}`,
    `--data-dir=${path.join(place.folder, name)}`,
    `--initial-cluster=${all.map(one => `${one.name}=http://${local(one.peer)}`).join(',')}`,
    `--listen-peer-urls=http://${local(peer)}`,
    `--initial-advertise-peer-urls=http://${local(peer)}`,
    `--listen-client-urls=http://${local(client)}`,
    `--advertise-client-urls=http://${local(client)}`,
    '--unsafe-no-fsync',
  ]
  return machine(place, name, words)
}

interface Ports {
  name: string
  port: number
  /** Of Patroni's own API. */
  rest: number
}

function database(place: Place, at: Ports, etcdHosts: readonly string[]): Database {
  const name = `pg-${at.name}`
  const data = path.join(place.folder, name)
  const file = path.join(place.folder, `${name}.yml`)
  const listen = { listen: local(at.port), connect_address: local(at.port) }
  const config = {
    scope: 'tdf',
    name: at.name,
    etcd3: { hosts: etcdHosts },
    restapi: { listen: local(at.rest), connect_address: local(at.rest) },
    bootstrap: { dcs: SHARED, initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, { auth: 'trust' }, 'no-sync'] },
    postgresql: {
      ...listen,
      data_dir: data,
      bin_dir: postgresPrograms(),
      pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
      authentication: { superuser: { username: 'postgres' }, replication: { username: 'postgres' } },
      parameters: { ...PARAMETERS, unix_socket_directories: '' },
      basebackup: [{ checkpoint: 'fast' }],
    },
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config))
  /** Throws while there is none; its file outlives it. */
  function postmaster(): number {
    const pid = Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(data)) throw new Error(`${name} has no postmaster`)
    return pid
  }
  return { ...machine(place, name, ['patroni', file], postmaster), port: at.port, postmaster }
}

/** `apart` is a process of it that is no descendant of the first one. */
function machine({ folder, user }: Place, name: string, words: readonly string[], apart?: () => number): Machine {
  let main: ChildProcess | undefined
  const roots = () => [main?.pid, apart && orNothing(apart)].filter(pid => pid !== undefined)
  function signalAll(signal: NodeJS.Signals): void {
    // One that is stopped forks no more.
    if (signal === 'SIGSTOP') for (const pid of roots()) orNothing(() => process.kill(pid, signal))
    for (const pid of roots().flatMap(withDescendants)) orNothing(() => process.kill(pid, signal))
  }
  return {
    name,
    start() {
      const env = { PATH: process.env.PATH ?? '', HOME: folder, LC_ALL: 'C' }
      const log = openSync(logOf(folder, name), 'a')
      main = spawn(words[0] ?? '', words.slice(1), { ...user, cwd: folder, stdio: ['ignore', log, log], env })
      closeSync(log)
    },
    async kill() {
      const ended = main
      signalAll('SIGSTOP')
      signalAll('SIGKILL')
      if (ended) await until(`${name} ends`, () => hasEnded(ended))
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
  }
}

const logOf = (folder: string, name: string) => path.join(folder, `${name}.log`)
const LAST_CHARS = 800

/** What a machine said last, for whoever wonders why it is not there. */
const lastWords = (folder: string, { name }: Machine) =>
  `${name}: ${orNothing(() => readFileSync(logOf(folder, name), 'utf8').slice(-LAST_CHARS)) ?? 'nothing'}`

const withDescendants = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(withDescendants)]

function orNothing<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

const FOLLOWERS = `select application_name as name, sync_state in ('sync', 'quorum') as is_synchronous
  from pg_stat_replication where state = 'streaming' and not pg_is_in_recovery()`

/** One that takes no writes, or does not answer, does not. */
async function leads({ port, rest }: Ports, followers: number): Promise<boolean> {
  try {
    const streaming = await query(port, 'postgres', FOLLOWERS)
    const answer = await fetch(`http://${local(rest)}/cluster`, { signal: AbortSignal.timeout(2_000) })
    const { members } = (await answer.json()) as { members: { name: string; role: string }[] }
    const chosen = members.filter(({ role }) => role === 'sync_standby').map(({ name }) => name)
    const hasHeir = streaming.some(
      ({ name, is_synchronous: isSynchronous }) => isSynchronous && chosen.includes(`${name}`),
    )
    return streaming.length >= followers && hasHeir
  } catch {
    return false
  }
}

/** Runs one statement past everything that is tested. */
export async function query(port: number, name: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: `postgres://postgres@${local(port)}/${name}`,
    connectionTimeoutMillis: 2_000,
    query_timeout: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    client.end().catch(() => {})
  }
}
