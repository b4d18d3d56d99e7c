/**
 * The whole daemon under a simulated clock, from one seed: random submits, cancels, retries, crashes, lost and doubled
 * callbacks, nodes that go and come, a cloud that refuses, a clock that jumps. After every tick the invariants are
 * looked at; at the end the faults stop and everything must come to rest.
 */

import type { Clock } from '../../src/platform/world.ts'
import { readLive } from '../../src/store/tables/attempts.ts'
import { readNodes } from '../../src/store/tables/nodes.ts'
import { mulberry32, Spinning } from '../fakes/world.ts'
import { aConfig } from '../support/builders.ts'
import { type Life, live, type Outside, outside } from '../support/daemon/sim-daemon.ts'
import { ACTS, type Act, healAll, restart } from './acts/acts.ts'
import { AFTER_ACTS, isAfterQuiet, peopleMerge } from './acts/after.ts'
import { BUDGET_ACTS, budgetsOf, raiseBudgets } from './acts/budgets.ts'
import { cancelHeld, GRAPH_ACTS } from './acts/graphs.ts'
import { pauseAll, SCHEDULE_ACTS, startOf } from './acts/schedules.ts'
import { type AfterMemory, freshAfter } from './invariants/after.ts'
import { freshPath, type Path } from './invariants/path.ts'
import { freshSchedules, type ScheduleMemory } from './invariants/schedules/memory.ts'
import { freshMoney, type MoneyMemory } from './invariants/spending.ts'
import { type Finding, look, lookAtRest } from './invariants.ts'
import { actsOf, type LedgerPlan, ledgerFaults } from './ledger.ts'
import { journalOf, type Memory, see, unrest } from './seen.ts'

export interface SimPlan {
  seed: number
  ticks: number
  /** The state is on a ledger, instead of in a file. */
  ledger?: LedgerPlan
  /** Results land, pull requests are watched and files to look at are kept, at servers that are models. */
  afterRun?: 'sound' | 'pushes are forced'
  /** Tasks come after others and run races, schedules make them, and in every other seed budgets hold them. */
  graphs?: boolean
}

export interface SimEnd {
  findings: Finding[]
  /** What was done, for the one who replays it. */
  story: string[]
  /** What the daemon wrote about the tasks that were found. */
  journal: string[]
  tasks: number
  crashes: number
}

/** What the simulation remembers beside what it can look up. */
export interface Sim {
  out: Outside
  life: Life
  jitter: () => number
  /** Tasks whose submit was acknowledged. */
  acknowledged: Set<string>
  /** Terminal attempts as first seen: `id/attempt` → status and verdict. */
  ended: Map<string, string>
  cancelled: Set<string>
  retried: Set<string>
  /** Requests to continue that were acknowledged: task and key → the attempts that they opened, as `id/attempt`. */
  continued: Map<string, Set<string>>
  /** Results that were all at home, as first seen: `id/attempt` → commit. */
  results: Map<string, string>
  after: AfterMemory
  schedules: ScheduleMemory
  money: MoneyMemory
  story: string[]
  crashes: number
  /** Machines and state folders that were taken away, with what was on them. */
  wiped: Set<string>
  lastSeed: number
  path: Path
  memory: Memory
  /** The power has failed in this life: nothing of it counts any more. */
  wasCut: boolean
}

const MIN = 60_000
const HOUR = 60 * MIN

export async function simulate({ seed, ticks, ledger, afterRun, graphs = false }: SimPlan): Promise<SimEnd> {
  const jitter = mulberry32(seed)
  const nodes = ['n1', 'n2', 'n3'].slice(0, Math.floor(jitter() * 3) + 1)
  const config = simConfig(jitter)
  if (graphs) config.budgets = budgetsOf(mulberry32(seed ^ 0xb0d6e7))
  const place = ledger ? { ledger: ledgerFaults(seed, ledger) } : {}
  const out = outside({
    nodes,
    config,
    cloud: true,
    latency: clock => network(clock, jitter),
    afterRun: afterRun !== undefined,
    ...place,
    ...(graphs ? { looks: true, startAt: startOf(mulberry32(seed ^ 0x5c4ed)), pricePerHour: 0.05 } : {}),
  })
  if (out.afterRun) {
    out.afterRun.servers.faults.isForced = afterRun === 'pushes are forced'
    for (const agent of out.agents.values()) agent.faults.artifacts = 'one'
  }
  const sim: Sim = {
    ...{
      out,
      jitter,
      acknowledged: new Set(),
      ended: new Map(),
      cancelled: new Set(),
      retried: new Set(),
      continued: new Map(),
      results: new Map(),
      after: freshAfter(),
      schedules: freshSchedules(),
      money: freshMoney(),
      story: [],
      crashes: 0,
      wiped: new Set(),
    },
    ...{ lastSeed: seed, wasCut: false, path: freshPath(), memory: new Map() },
    life: await live(out, { seed }),
  }
  const findings: Finding[] = []
  const more = [...(afterRun ? AFTER_ACTS : []), ...(graphs ? [...GRAPH_ACTS, ...SCHEDULE_ACTS, ...BUDGET_ACTS] : [])]
  const acts = actsOf(sim, [...ACTS, ...more])
  for (let tick = 0; tick < ticks && findings.length === 0; tick++) {
    const act = pick(jitter, acts)
    sim.story.push(`${tick} ${act.name}`)
    findings.push(...(await play(sim, act).then(() => look(see(sim, sim.memory), tick), spinning(tick))))
  }
  if (findings.length === 0) findings.push(...(await comeToRest(sim, ticks, graphs).catch(spinning(ticks))))
  const journal = findings.length > 0 ? journalOf(sim, findings) : []
  const tasks = sim.acknowledged.size
  sim.life.kill()
  out.remove()
  return { findings, story: sim.story, journal, tasks, crashes: sim.crashes }
}

/** Who never rests is found like any other fault; what else is thrown is a fault of the simulation. */
const spinning =
  (tick: number) =>
  (error: unknown): Finding[] => {
    if (!(error instanceof Spinning)) throw error
    return [{ name: 'nobody wakes without a pause', what: error.message, tick }]
  }

/** Whatever happens while the power fails is no answer of anybody: the next life begins on what was committed. */
async function play(sim: Sim, act: Act): Promise<void> {
  try {
    await act.run(sim)
    await sim.life.world.settle()
  } catch (error) {
    if (!sim.wasCut) throw error
  }
  if (!sim.wasCut) return
  await restart(sim)
  await sim.life.world.settle()
}

/** Most of the time the network is instant; sometimes it takes long enough for everything else to happen first. */
function network(clock: Clock, jitter: () => number) {
  return () => {
    if (jitter() < 0.85) return
    return new Promise<void>(resolve => void clock.timer(Math.floor(jitter() * 20_000), resolve))
  }
}

/** The defaults, with fewer looks at what does not change: what a simulated hour costs is its wake-ups. */
function simConfig(jitter: () => number) {
  return aConfig({
    runner: {
      ...{ maxAttempts: 1 + Math.floor(jitter() * 3), queueTimeout: 8 * HOUR, followupTimeout: 2 * HOUR },
      ...{ reconcileInterval: 10 * MIN, agentPollInterval: MIN, provisionPollInterval: MIN, maxExecution: 2 * HOUR },
      absoluteExecution: 4 * HOUR,
    },
    nodes: {
      ...{ maxNodes: Math.floor(jitter() * 4), maxWorkspaces: 1 + Math.floor(jitter() * 3), heldMax: 4 * HOUR },
      ...{ heartbeatInterval: 10 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, maxLifetime: 6 * HOUR },
    },
    sweeps: { interval: 15 * MIN },
    results: { checkpointInterval: 20 * MIN },
  })
}

/** No more faults: everything must end by itself, with nothing left behind. */
async function comeToRest(sim: Sim, tick: number, graphs: boolean): Promise<Finding[]> {
  healAll(sim)
  // The last life is one that lasts.
  await restart(sim)
  const { life } = sim
  const { sql } = life.engine.store
  const isQuiet = nowAndThen(life, () => {
    const isGone = readNodes(sql).every(({ status, autoProvisioned }) => !autoProvisioned || status === 'destroyed')
    return isGone && readLive(sql).length === 0 && isAfterQuiet(sim)
  })
  if (graphs) {
    // In peace every schedule has its turn once more.
    await life.world.clock.advance(HOUR)
    const early = look(see(sim, sim.memory), tick)
    if (early.length > 0) return early
    raiseBudgets(sim)
    await pauseAll(sim)
    await cancelHeld(sim)
  }
  const rested = await life.world.run(isQuiet, 60 * HOUR)
  if (sim.out.afterRun && rested) {
    peopleMerge(sim)
    await life.world.run(isQuiet, 12 * HOUR)
  }
  // The sweeps get their round: what a task handed over is theirs.
  await life.world.clock.advance(2 * HOUR)
  // Every row is read anew: what changed without saying so is seen here.
  const seen = see(sim, new Map())
  const findings = look(seen, tick)
  if (!rested) findings.push({ name: 'everything comes to rest', what: unrest(sim), tick })
  return [...findings, ...lookAtRest(seen, tick)]
}

/** Asks every ten minutes of simulated time: whoever asks after every event pays more for asking than for what happens. */
function nowAndThen({ world }: Life, ask: () => boolean): () => boolean {
  let askedAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = world.clock.now()
    if (now - askedAt < 10 * MIN) return false
    askedAt = now
    return ask()
  }
}

function pick(jitter: () => number, acts: readonly Act[]): Act {
  const total = acts.reduce((sum, { weight }) => sum + weight, 0)
  let at = jitter() * total
  for (const act of acts) {
    at -= act.weight
    if (at < 0) return act
  }
  return acts[0] as Act
}
