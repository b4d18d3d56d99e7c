/** A whole daemon over a simulated world: the real engine and store, the real callback routes, models for the rest. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Hono } from 'hono'
import { callbackApp } from '../../../daemon/api/callbacks.ts'
import { buildEngine, type RunningEngine } from '../../../daemon/build.ts'
import { createLanes } from '../../../daemon/results/landing/lanes.ts'
import { createPusher } from '../../../daemon/results/push/pusher.ts'
import { type Servers, servers } from '../../../daemon/results/push/servers.ts'
import { createWatcher } from '../../../daemon/results/push/watch/watcher.ts'
import type { Results, Sources } from '../../../daemon/results/results.ts'
import { checkpoints } from '../../../daemon/sweeps/checkpoints.ts'
import { SWEEPS } from '../../../daemon/sweeps/index.ts'
import { createSweeper } from '../../../daemon/sweeps/run.ts'
import { schedules } from '../../../daemon/sweeps/schedules/sweep.ts'
import type { Config } from '../../../src/config/schema/config.ts'
import { resultRefOf, type TaskSpec } from '../../../src/core/task.ts'
import { type Fields, silentLog } from '../../../src/platform/log.ts'
import type { Clock } from '../../../src/platform/world.ts'
import { openLedgerStore } from '../../../src/store/ledger/store.ts'
import { openStore, type Store } from '../../../src/store/store.ts'
import type { ReadTask } from '../../../src/store/tables/attempts.ts'
import { readNewestEvents } from '../../../src/store/tables/journal.ts'
import { type FakeAgent, fakeAgent, type IsHome, type Metered } from '../../fakes/agent.ts'
import { type FakeCloud, fakeCloud } from '../../fakes/cloud.ts'
import { type FakeLedger, fakeLedger, type LedgerFaults } from '../../fakes/ledger.ts'
import { type Latency, standingProvider } from '../../fakes/provider.ts'
import { type FakeHistory, fakeHistory } from '../../fakes/results/history.ts'
import { type FakeResults, fakeResults, fakeSources } from '../../fakes/results/results.ts'
import { type FakeServers, fakeServers } from '../../fakes/results/servers.ts'
import { type SimOptions, type SimWorld, simWorld, type Timeline, timeline } from '../../fakes/world.ts'
import { aConfig, aSpec } from '../builders.ts'
import { type HetznerMachines, hetznerMachines } from '../machines/hetzner-machines.ts'

/** A file system in memory: the files are real, and an fsync costs nothing. */
const MEMORY = '/dev/shm'

/** What outlives a daemon: time, its state folder, the nodes, the results on disk. */
export interface Outside {
  time: Timeline
  dir: string
  agents: Map<string, FakeAgent>
  results: FakeResults
  /** Asked for where the configuration lets the daemon fetch. */
  sources: Sources
  /** Of repositories and forges. */
  servers: Servers
  /** The same as models, with what is done there after the run; null: nothing is. */
  afterRun: AfterRun | null
  /** Where machines are ordered, when the test wants that. */
  cloud: FakeCloud | null
  /** The same through the real provider, over a model of Hetzner's API. */
  hetzner: HetznerMachines | null
  /** The callback port of the daemon that lives now. */
  callbacks: { app: Hono | null }
  config: Config
  local: boolean
  latency: Latency
  /** The state, when it is not in the folder. */
  ledger: FakeLedger | null
  /** What a daemon logged as a fault of its own. */
  faults: string[]
  /** When a daemon looked at its schedules, which it does often then; null: it does so with the other sweeps. */
  looks: Look[] | null
  /** What agents have cost, as they know it. */
  meter: Metered[]
  remove(): void
}

export interface Look {
  at: number
  world: SimWorld
}

export interface AfterRun {
  history: FakeHistory
  servers: FakeServers
}

export interface OutsideOptions {
  latency?: (clock: Clock) => Latency
  nodes?: string[]
  config?: Config
  cloud?: boolean
  hetzner?: boolean
  /** The first node is the daemon's own machine, instead of a box. */
  local?: boolean
  /** Results land and their pull requests are watched. */
  afterRun?: boolean
  /** The state is on a ledger with these faults, instead of in a file. */
  ledger?: Partial<LedgerFaults>
  /** Schedules are looked at often. */
  looks?: boolean
  /** What an hour of an ordered machine costs, in EUR. */
  pricePerHour?: number
  startAt?: number
}

export function outside(options: OutsideOptions = {}): Outside {
  const { nodes = ['n1'], config = aConfig(), cloud = false, hetzner = false, local = false, latency } = options
  const history = fakeHistory()
  const time = timeline(options.startAt)
  const callbacks: Outside['callbacks'] = { app: null }
  const nodeWorld = simWorld(time, { seed: 99 })
  const results = fakeResults(history)
  const meter: Metered[] = []
  const isHome: IsHome = (taskId, attempt, beside) =>
    ['', ...beside].every(suffix => results.refs.has(resultRefOf(taskId, attempt) + suffix))
  const agents = new Map(nodes.map(name => [name, fakeAgent({ clock: nodeWorld.clock, name, deliver, isHome, meter })]))
  const root = mkdtempSync(path.join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'tdf-sim-'))
  const dir = path.join(root, '0')
  mkdirSync(dir)

  async function deliver(route: string, token: string, body: unknown): Promise<number> {
    if (!callbacks.app) throw new Error('connection refused')
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', host: 'localhost' }
    return (await callbacks.app.request(route, { method: 'POST', headers, body: JSON.stringify(body) })).status
  }

  const { clock } = nodeWorld
  const away = options.afterRun ? fakeServers(history, clock, latency?.(clock) ?? (() => {})) : null
  const faults: string[] = []
  const lag = latency ? { latency: latency(clock) } : {}
  const price = options.pricePerHour === undefined ? {} : { pricePerHour: options.pricePerHour }
  return {
    ...{ time, dir, agents, callbacks, config, results, servers: away ?? servers, local },
    sources: { ...fakeSources(), ...(away ? { tip: away.tip } : {}) },
    afterRun: away && { history, servers: away },
    latency: latency ? latency(clock) : () => {},
    cloud: cloud ? fakeCloud({ clock, deliver, isHome, meter, ...lag, ...price }) : null,
    hetzner: hetzner ? hetznerMachines({ clock, deliver, isHome }) : null,
    ledger: options.ledger ? fakeLedger(options.ledger) : null,
    faults,
    looks: options.looks ? [] : null,
    meter,
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

export interface Life {
  world: SimWorld
  engine: RunningEngine
  submit(change?: Partial<TaskSpec>, script?: Parameters<typeof aSpec>[1], id?: string): Promise<string>
  task(id: string, attempt?: number): ReadTask
  steps(id: string): unknown[]
  statuses(id: string): unknown[]
  /** Power off: nothing more is written, the file is let go. */
  kill(): void
}

/**
 * The state as the power failure left it on disk. A closed libsql connection keeps its lock until it is collected, so
 * the next life gets a copy: database and write-ahead log are all there is of a crash.
 */
function copyOf(dir: string): string {
  const copy = path.join(path.dirname(dir), String(Number(path.basename(dir)) + 1))
  cpSync(dir, copy, { recursive: true })
  rmSync(dir, { recursive: true, force: true })
  return copy
}

/** Real sweeps are looked at once a second; under a simulated clock that would be most of what happens. */
const SWEEP_TICK_MS = 300_000
/** Often enough that an instant comes in time. */
const LOOK_MS = 15_000
const noErrors = { flush: async () => {} }
const noObservability = { addErrors() {}, errors: () => [], prune: () => 0, close() {} }

const INSTALL = { id: 'inst0001', key: Buffer.alloc(32, 7) }

/** What fails once the power is off fails by that. */
const isOurs = (about: Fields, message: string) =>
  (about.code === 'BUG' || message === 'a decision could not be made') &&
  !/the power (is off|was cut)/.test(String(about.err))

/** What a dead daemon had begun ends with it: the one that lives now has the same disk. */
function whilePowered(results: Results, { isDead }: SimWorld): Results {
  const alive =
    <Words extends unknown[], Answer>(act: (...words: Words) => Promise<Answer>) =>
    async (...words: Words): Promise<Answer> => {
      if (isDead()) throw new Error('the power is off')
      return act(...words)
    }
  const { receive, takeCheckpoint, keepCheckpoint } = results
  // The rest is asked of the model itself, which a test may change at any time.
  const rest: Results = Object.create(results)
  const living = {
    receive: alive(receive),
    takeCheckpoint: alive(takeCheckpoint),
    keepCheckpoint: alive(keepCheckpoint),
  }
  return Object.assign(rest, living)
}

/** The store of one life; `onLost` ends it when another one has taken its place. */
async function storeOf({ ledger, dir }: Outside, world: SimWorld, onLost: () => void): Promise<Store> {
  if (!ledger) return openStore(dir, world)
  // What the life before it had sent may arrive meanwhile.
  for (let left = ledger.faults.turns(); left > 0; left--) await new Promise<void>(resolve => world.clock.turn(resolve))
  const claimed = ledger.claim({ world, isDead: world.isDead })
  claimed.onLost(onLost)
  return openLedgerStore(claimed, world)
}

/** One life of a daemon over an outside. */
export async function live(out: Outside, options: SimOptions = {}): Promise<Life> {
  const world = simWorld(out.time, { ...options, ...(out.hetzner ? { fetch: out.hetzner.cloud.fetch } : {}) })
  out.dir = copyOf(out.dir)
  let closed = false
  let kill = () => {}
  const store = await storeOf(out, world, () => kill())
  const engine = buildEngine({
    world,
    store,
    config: out.config,
    log: {
      ...silentLog,
      error(about, message) {
        if (!closed && isOurs(about, message)) out.faults.push(`${message}: ${about.err}`)
      },
    },
    install: INSTALL,
    providers: {
      [out.local ? 'local' : 'static']: standingProvider(out.agents, {
        slots: out.config.nodes.maxWorkspaces,
        latency: out.latency,
      }),
      ...(out.cloud ? { hetzner: out.cloud.provider } : {}),
      ...(out.hetzner ? { hetzner: out.hetzner.provider(world, out.config, INSTALL.id) } : {}),
    },
    results: whilePowered(out.results, world),
    sources: out.sources,
    servers: out.servers,
    callbackUrl: () => 'http://127.0.0.1:7433',
    bundleFile: sha => path.join(out.dir, `${sha}.bundle`),
    secrets: () => ({}),
  })
  const app = callbackApp(engine, () => [])
  out.callbacks.app = app
  kill = () => {
    if (closed) return
    closed = true
    world.die()
    // Another daemon may have taken its place.
    if (out.callbacks.app === app) out.callbacks.app = null
    store.sql.close()
  }
  await engine.takeUp()
  const parts = { stateDir: out.dir, errors: noErrors, observability: noObservability }
  const { looks } = out
  const sweeper = createSweeper(engine, parts, [
    ...SWEEPS.filter(one => looks === null || one !== schedules),
    checkpoints(),
    ...(out.afterRun ? [createLanes, createPusher, createWatcher].map(make => make(engine, out.results).sweep) : []),
  ])
  const sweep = () => {
    sweeper.tick()
    world.clock.timer(SWEEP_TICK_MS, sweep)
  }
  sweep()
  const often = createSweeper(engine, parts, [schedules])
  const look = (to: Look[]) => {
    // A ledger that is away lets no round come to its end.
    if (!out.ledger?.isAway()) to.push({ at: world.clock.now(), world })
    often.tick()
    world.clock.timer(LOOK_MS, () => look(to))
  }
  if (looks) world.clock.timer(1_000, () => look(looks))
  const events = (id: string, type: string) =>
    readNewestEvents(store.sql, id, 10_000).filter(event => event.type === type)
  return {
    world,
    engine,
    kill: () => kill(),
    async submit(change, script, id = `t${Math.floor(world.random.float() * 1e9)}`) {
      const about = { idempotencyKey: null, idempotencyHash: null, createdAt: world.clock.now() }
      await engine.submit({ id, spec: aSpec(change, script), ...about })
      return id
    },
    task(id, attempt) {
      const task = engine.query(id, attempt)
      if (!task) throw new Error(`no task ${id}`)
      return task
    },
    steps: id => events(id, 'task.step').map(({ data }) => data.to),
    statuses: id => events(id, 'task.status').map(({ data }) => data.to),
  }
}
