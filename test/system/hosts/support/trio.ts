/**
 * Three hosts that are set up word for word as docs/cluster.md says: etcd, Patroni with PostgreSQL, and a daemon that is a service of
 * systemd from the published package. Addresses alone are those of the hosts.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Client, controlClient } from '../../../../src/clients/control.ts'
import type { DaemonStatusJson } from '../../../../src/protocol/control.ts'
import { type Ran, until } from '../../../support/daemon/home.ts'
import type { Machine } from './machine.ts'
import { NETWORK } from './network.ts'
import type { Package } from './package.ts'
import type { Site } from './site.ts'

export interface Host {
  /** As docs/cluster.md calls it: db1, db2 or db3. */
  name: string
  machine: Machine
  /** Of its daemon; each call opens the socket of the host as it runs now. */
  client(): Client
  /** Runs a shell command there as root, `tdf` among its programs; never throws. */
  sh(command: string): Promise<Ran>
  /** The power and the network go at the same moment: nobody hears of it. */
  cut(): Promise<void>
  /** Gives both back; whole again means that everything on it has found the others. */
  restore(): void
}

export interface Trio {
  hosts: Host[]
  /** The host whose PostgreSQL takes writes, as every member that answers says. */
  leader(): Promise<Host>
  /** The host whose daemon serves. */
  serving(): Promise<Host>
  /** Waits until no host is missing: members of etcd, PostgreSQL with a standby that has every COMMIT, daemons. */
  whole(): Promise<void>
}

export interface TrioOptions {
  site: Site
  program: Package
  /** More of config.toml, the same for each. */
  config: string
  /** Of the cloud at which machines are ordered. */
  token: string
}

/** A busy machine's; nothing here takes a tenth of it. */
const READY_MS_MAX = 300_000
const LOOK_MS = 200
const FIRST_ADDRESS = 11
const USER_DATA = `#cloud-config
runcmd:
  - touch /etc/cloud/cloud-init.disabled
  - touch /root/ready
`

const page = readFileSync('docs/cluster.md', 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text ?? '')
const [, startDatabase = '', makeDatabase = '', join = ''] = blocks('sh')
const [etcd = ''] = blocks('ini')
const [patroni = ''] = blocks('yaml')
const [toml = ''] = blocks('toml')
const url = /postgres:\/\/\S+@db1,db2,db3\/tdf/.exec(toml)?.[0] ?? ''

export async function openTrio(options: TrioOptions): Promise<Trio> {
  const { site, program } = options
  const machines = [1, 2, 3].map(number =>
    site.machine({ name: `db${number}`, userData: USER_DATA, publicKeys: [], image: 'cluster' }),
  )
  const hosts = machines.map(hostOn)
  for (const { machine } of hosts) program.installInto(machine.root)
  for (const host of hosts) await firstBoot(host)
  for (const host of hosts) writeSettings(host, hosts, options)
  await Promise.all(hosts.map(({ sh }) => must(sh(startDatabase))))
  const trio = trioOf(hosts)
  await database(trio)
  await daemons(hosts)
  await trio.whole()
  return trio
}

function hostOn(machine: Machine): Host {
  return {
    name: machine.name,
    machine,
    client: () => controlClient({ socket: machine.live('/run/tdf/tdf.sock') }),
    sh: command => machine.begin(`PATH=/usr/local/bin:$PATH; export HOME=/root; cd /root; ${command}`),
    async cut() {
      machine.cutOff()
      await machine.powerOff()
    },
    restore() {
      machine.restore()
      machine.boot()
    },
  }
}

const firstBoot = ({ name, machine }: Host) =>
  eventually(`the first boot of ${name} is over`, async () => existsSync(path.join(machine.root, 'root/ready')))

/** The page shows the files of the first box. */
function writeSettings({ name, machine }: Host, hosts: readonly Host[], { config, token }: TrioOptions): void {
  const own = (text: string) =>
    text
      .replace(/^((?!ETCD_INITIAL_CLUSTER=).*)db1/gm, `$1${name}`)
      .replace(/^((?!ETCD_INITIAL_CLUSTER=| {2}hosts:).*)10\.0\.0\.11/gm, `$1${machine.address}`)
  const everyones = (text: string) =>
    hosts
      .reduce(
        (left, { machine: { address } }, index) => left.replaceAll(`10.0.0.${FIRST_ADDRESS + index}`, address),
        text,
      )
      .replaceAll('10.0.0.0/24', NETWORK)
  const write = (file: string, text: string, mode = 0o600) => {
    const place = path.join(machine.root, file)
    mkdirSync(path.dirname(place), { recursive: true })
    writeFileSync(place, text, { mode })
  }
  write('/etc/default/etcd', everyones(own(etcd)))
  write('/etc/patroni/config.yml', everyones(own(patroni)))
  const daemon = own(toml.replaceAll('"tdf1"', `"tdf-${name}"`)).replace(/^(url|key)_file.*\n/gm, '')
  write('/etc/tdf/config.toml', `${daemon}${config}`, 0o644)
  const addresses = hosts.map(host => host.machine.address).join(',')
  write('/etc/tdf/secrets/store-url', `${url.replace('db1,db2,db3', addresses)}\n`)
  write('/etc/tdf/secrets/hcloud-token', `${token}\n`)
}

/** The page's two commands ask for the password of the user, twice. */
async function database(trio: Trio): Promise<void> {
  const { sh } = await trio.leader()
  await eventually('it has a standby', async () => (await standbys(trio.hosts)) > 0)
  const [create = '', ...rest] = makeDatabase.trim().split('\n')
  await must(sh(`printf 'PASSWORD\\nPASSWORD\\n' | setsid -w ${create}`))
  await must(sh(rest.join('\n')))
}

async function daemons(hosts: readonly Host[]): Promise<void> {
  const [first, ...others] = hosts as [Host, ...Host[]]
  await must(first.sh('tdf daemon install --system'))
  const key = await must(first.sh('cat /var/lib/tdf/cluster.key'))
  const brought = join.replace(/^scp -p \S+ (\S+)$/m, `(umask 077; echo ${key.trim()} > $1)`)
  await Promise.all(others.map(({ sh }) => must(sh(`set -e; ${brought}`))))
}

async function must(running: Promise<Ran>): Promise<string> {
  const { code, out, err } = await running
  if (code !== 0) throw new Error(`exit code ${code}: ${out}${err}`)
  return out
}

/** Looks seldom: each look is work for the hosts. */
async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const looked = async () => (await holds()) || pause(LOOK_MS, false)
  await until(what, looked, READY_MS_MAX)
}

function trioOf(hosts: Host[]): Trio {
  async function found(what: string, search: () => Promise<Host | undefined>): Promise<Host> {
    let host: Host | undefined
    const isFound = async () => {
      host = await search()
      return host !== undefined
    }
    await eventually(what, isFound)
    return host as Host
  }
  return {
    hosts,
    leader: () =>
      found('one PostgreSQL takes writes', async () => {
        const names = (await members(hosts)).filter(({ role }) => role === 'leader').map(({ name }) => name)
        return hosts.find(({ name }) => name === names[0])
      }),
    serving: () =>
      found('one daemon serves', async () => {
        for (const host of hosts) if ((await statusOf(host))?.role === 'serving') return host
        return undefined
      }),
    async whole() {
      for (const { name, machine } of hosts) {
        const isHealthy = async () => Object(await ask(`http://${machine.address}:2379/health`)).health === 'true'
        await eventually(`etcd on ${name} is well`, isHealthy)
      }
      const streams = async () =>
        (await members(hosts)).filter(({ role, state }) => role === 'leader' || state === 'streaming').length
      await eventually('every PostgreSQL is there', async () => (await streams()) === hosts.length)
      await eventually('a standby has every COMMIT', async () => (await standbys(hosts)) > 0)
      for (const host of hosts) {
        await eventually(`the daemon of ${host.name} answers`, async () => !!(await statusOf(host)))
      }
    },
  }
}

/** Undefined of a host that is off, and of one that stands by while no daemon serves. */
export const statusOf = async (host: Host): Promise<DaemonStatusJson | undefined> => {
  try {
    return await host.client().call<DaemonStatusJson>({ path: '/status' })
  } catch {
    return undefined
  }
}

interface Member {
  name: string
  role: string
  state: string
}

/** As the first Patroni that answers has them. */
async function members(hosts: readonly Host[]): Promise<Member[]> {
  for (const { machine } of hosts) {
    const answer = await ask(`http://${machine.address}:8008/cluster`)
    if (answer !== undefined) return Object(answer).members
  }
  return []
}

const standbys = async (hosts: readonly Host[]) =>
  (await members(hosts)).filter(({ role, state }) => role === 'sync_standby' && state === 'streaming').length

async function ask(address: string): Promise<unknown> {
  try {
    return await (await fetch(address, { signal: AbortSignal.timeout(3_000) })).json()
  } catch {
    return undefined
  }
}
