/**
 * Three hosts share an installation, and each loses its power while tasks run on machines that were ordered. What was acknowledged on
 * whichever host is home once in the end, and every machine that was ordered is gone.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeJson, TaskJson } from '../../../src/protocol/control.ts'
import { until } from '../../support/daemon/home.ts'
import { type MachineCloud, openCloud } from './support/cloud.ts'
import type { Machine } from './support/machine.ts'
import { BRIDGE_ADDRESS } from './support/network.ts'
import { type Packages, packTwice } from './support/package.ts'
import { type Host, openTrio, statusOf, type Trio } from './support/trio.ts'

const CLOUD_TOKEN = 'the-token-of-the-cloud'
const TASKS = 40
/** While each host is away so many are handed over to the two others. */
const TASKS_MEANWHILE = 9
/** Patroni gives a machine up after its ttl of 20 s; the rest is a busy machine's. */
const LIMIT_MS = 600_000
const WAIT_MS_MAX = 300_000
const PAUSE_MS = 200

const config = (endpoint: string) => `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
endpoint = "${endpoint}"
keep_paid_hour = false
setup = "touch /srv/ends; chmod 666 /srv/ends"
[nodes]
warm_timeout = "20s"
max_nodes = 2
max_workspaces = 4
heartbeat_interval = "2s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[runner]
provision_poll_interval = "1s"
agent_poll_interval = "1s"
reconcile_interval = "2s"
`
/** Dates of its own give each host the same commit. */
const REPOSITORY = `export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git config --global user.name you; git config --global user.email you@localhost
git init -q project; cd project; git commit -q --allow-empty -m first`

let cloud: MachineCloud
let packages: Packages
let trio: Trio
/** Ids by the name of the file that each task makes. */
const ids = new Map<string, string>()

beforeAll(async () => {
  packages = packTwice()
  cloud = await openCloud({ token: CLOUD_TOKEN, host: BRIDGE_ADDRESS })
  const { site, endpoint } = cloud
  trio = await openTrio({ site, program: packages.current, config: config(endpoint), token: CLOUD_TOKEN })
  for (const { sh } of trio.hosts) expect(await sh(REPOSITORY)).toMatchObject({ code: 0 })
}, 1_800_000)

afterAll(async () => {
  await cloud?.remove()
  packages?.remove()
}, 300_000)

/** Commits a file of that name, and says on its machine that it came to its end. */
const script = (name: string) =>
  `sleep 2; echo done > ${name}; git add ${name}; git -c user.name=a -c user.email=a@localhost commit -qm ${name}; echo ${name} >> /srv/ends`

/** By the CLI of this host, else by that of another one: a key makes it one task, however often it is handed over. */
async function submit(nth: number): Promise<void> {
  const name = `task-${nth}`
  const command = `cd project; tdf submit -q --idempotency-key ${name} -- sh -c '${script(name)}'`
  const limit = performance.now() + WAIT_MS_MAX
  for (let turn = nth; ; turn++) {
    const host = trio.hosts[turn % trio.hosts.length] as Host
    const ran = await host.sh(command).catch(() => null)
    if (ran?.code === 0) return void ids.set(name, ran.out.trim())
    if (performance.now() > limit) throw new Error(`${name} was not taken: ${ran?.err ?? `${host.name} is off`}`)
    await pause(PAUSE_MS)
  }
}

/** One after the other on each of the hosts, side by side on them. */
async function submitMore(count: number): Promise<void> {
  const first = ids.size
  const all = Array.from({ length: count }, (_, index) => first + index)
  const lanes = trio.hosts.map((_, lane) => all.filter(nth => nth % trio.hosts.length === lane))
  await Promise.all(
    lanes.map(async lane => {
      for (const nth of lane) await submit(nth)
    }),
  )
}

function endsOn({ root }: Machine): string[] {
  const file = path.join(root, 'srv/ends')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean) : []
}

const list = () => trio.hosts[0]?.client().call<TaskJson[]>({ path: '/tasks?all=true&limit=1000' })
const runs = () =>
  until('a task runs', async () => (await list())?.some(({ step }) => step === 'running') ?? false, WAIT_MS_MAX)

const wereCut = new Set<Host>()
/** Takes its power while tasks run; the others answer before it is there again. How soon is printed for people: bars are the bench's. */
async function cut(host: Host): Promise<void> {
  wereCut.add(host)
  const submitted = submitMore(TASKS_MEANWHILE)
  // What is thrown first tells more.
  submitted.catch(() => {})
  await host.cut()
  const cutAt = performance.now()
  const tell = (what: string) =>
    process.stdout.write(
      `${host.name} without power: ${what} after ${((performance.now() - cutAt) / 1_000).toFixed(1)} s\n`,
    )
  const others = trio.hosts.filter(one => one !== host)
  await Promise.all(
    others.map(async ({ name, sh }) => {
      await until(`tdf answers on ${name}`, async () => (await sh('tdf ls')).code === 0, WAIT_MS_MAX)
      tell(`tdf answers on ${name}`)
    }),
  )
  await submitted
  tell(`${TASKS_MEANWHILE} tasks are taken`)
  host.restore()
  await trio.whole()
}

describe('three hosts that share an installation', () => {
  it(
    'are set up by the page about them, and doctor finds no fault',
    async () => {
      const roles = await Promise.all(trio.hosts.map(statusOf))
      expect(roles.map(status => status?.role).sort()).toEqual(['serving', 'standby', 'standby'])
      const { sh } = await trio.serving()
      const { out } = await sh('tdf doctor')
      expect(out).not.toContain('FAILED')
      expect(out).toMatch(/replication/)
    },
    LIMIT_MS,
  )

  it(
    'go on when the host whose PostgreSQL takes writes loses its power',
    async () => {
      const leader = await trio.leader()
      if ((await trio.serving()) === leader) {
        expect(await leader.sh('tdf cluster handover')).toMatchObject({ code: 0 })
      }
      await submitMore(TASKS - 3 * TASKS_MEANWHILE)
      await runs()
      await cut(leader)
    },
    LIMIT_MS,
  )

  it(
    'go on when a host whose daemon serves, and whose PostgreSQL follows, loses its power',
    async () => {
      // The one that had the first cut no longer leads, so that one of the other two is no leader.
      const leader = await trio.leader()
      const next = trio.hosts.find(host => !wereCut.has(host) && host !== leader) as Host
      const serving = await trio.serving()
      if (serving !== next) {
        expect(await serving.sh(`tdf cluster handover tdf-${next.name}`)).toMatchObject({ code: 0 })
      }
      await cut(next)
    },
    LIMIT_MS,
  )

  it(
    'go on when the last one loses its power',
    async () => {
      await cut(trio.hosts.find(host => !wereCut.has(host)) as Host)
    },
    LIMIT_MS,
  )

  it(
    'have everything home that was acknowledged, once',
    async () => {
      await until(
        'every task is over',
        async () => (await list())?.every(({ step }) => step === null) ?? false,
        WAIT_MS_MAX,
      )
      const tasks = (await list()) ?? []
      expect(ids.size).toBe(TASKS)
      expect(tasks.map(({ id }) => id).sort()).toEqual([...ids.values()].sort())
      expect(tasks.filter(({ status, attempt }) => status !== 'completed' || attempt !== 1)).toEqual([])
      const ends = cloud.ordered.flatMap(({ name }) => endsOn(cloud.machine(name)))
      expect(ends.sort()).toEqual([...ids.keys()].sort())
    },
    LIMIT_MS,
  )

  it(
    'have the work of each task, whichever of them is asked',
    async () => {
      for (const [lane, { sh }] of trio.hosts.entries()) {
        const own = [...ids].filter((_, index) => index % trio.hosts.length === lane)
        const { out } = await sh(`for id in ${own.map(([, id]) => id).join(' ')}; do
          curl -sS --unix-socket /run/tdf/tdf.sock http://tdf/v1/tasks/$id/diff | sed -n 's/^diff --git a.* b.//p'; done`)
        expect(out.trim().split('\n')).toEqual(own.map(([name]) => name))
      }
    },
    LIMIT_MS,
  )

  it(
    'have no machine left that nobody needs',
    async () => {
      const nodes = () => trio.hosts[0]?.client().call<NodeJson[]>({ path: '/nodes' })
      await until('every machine is gone', async () => cloud.cloud.leaks().length === 0, WAIT_MS_MAX)
      await until('no daemon knows one', async () => (await nodes())?.length === 0, WAIT_MS_MAX)
      expect([...cloud.cloud.made.values()].every(count => count === 1)).toBe(true)
    },
    LIMIT_MS,
  )
})
