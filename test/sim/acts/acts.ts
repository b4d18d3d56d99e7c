/** What can happen in a simulation, by weight. Every choice comes from the dice of the seed. */
import { TdfError } from '../../../src/core/errors.ts'
import { isTerminal, type TaskSpec } from '../../../src/core/task.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import type { Script } from '../../fakes/agent.ts'
import type { SimOptions } from '../../fakes/world.ts'
import { aSpec } from '../../support/builders.ts'
import { live } from '../../support/daemon/sim-daemon.ts'
import { agentsOf } from '../seen.ts'
import type { Sim } from '../simulation.ts'

export interface Act {
  name: string
  weight: number
  run(sim: Sim): Promise<void> | void
}

const MIN = 60_000

const upTo = ({ jitter }: Sim, most: number) => Math.floor(jitter() * most)
const chance = ({ jitter }: Sim, share: number) => jitter() < share

function oneOf<T>(sim: Sim, things: readonly T[]): T | undefined {
  return things[upTo(sim, things.length)]
}

function aScript(sim: Sim): Script {
  return {
    ms: 500 + upTo(sim, 20 * MIN),
    exitCode: chance(sim, 0.15) ? 3 : 0,
    commits: upTo(sim, 3),
    dirty: chance(sim, 0.3),
    ...(chance(sim, 0.3) ? { sides: 1 + upTo(sim, 3) } : {}),
    ...(chance(sim, 0.2) ? { shut: true } : {}),
    busy: chance(sim, 0.8),
    ...(chance(sim, 0.08) ? { hangs: true } : {}),
    ...(chance(sim, 0.04) ? { cannotStart: 'no such program' } : {}),
  }
}

/** An agent that says how its work ended; some meet a usage limit, some are interrupted, and go on when they may. */
function anAgent(sim: Sim): { agent?: TaskSpec['agent']; script: Script } {
  const script = aScript(sim)
  if (chance(sim, 0.6)) return { script }
  const name = oneOf(sim, ['claude', 'codex'] as const) ?? 'claude'
  const resumeRef = chance(sim, 0.8) ? 'a-conversation' : null
  const usage = { inputTokens: 10, outputTokens: 1, costUsd: sim.jitter() }
  const well: Script = { ...script, exitCode: 0, says: { outcome: 'success', resumeRef, usage } }
  const cut = { outcome: 'error', failure: 'interrupted', resumeRef, usage } as const
  const limit: Script = {
    ...script,
    exitCode: 1,
    // What could not be read stays on its machine, and only machines on which everything can be read are released.
    shut: false,
    limitMs: upTo(sim, 6) * 30 * MIN,
    says: { resumeRef, usage },
    resumed: well,
  }
  const talks = oneOf(sim, [well, limit, limit, { ...script, exitCode: 1, says: cut, resumed: well }]) ?? well
  if (chance(sim, 0.4)) Object.assign(talks, { steerable: true, ignoresPrompts: chance(sim, 0.3) })
  return { script: talks, agent: { ...aSpec({}, talks).agent, name, type: 'claude' } }
}

const someTask = (sim: Sim) => oneOf(sim, [...sim.acknowledged])

/** Ends this life of the daemon and begins the next on what was committed; with `cut`, one that will not last. */
export async function restart(sim: Sim, cut?: SimOptions['cut']): Promise<void> {
  sim.life.kill()
  sim.crashes += 1
  sim.lastSeed += 1
  sim.wasCut = false
  const onCut = () => {
    sim.wasCut = true
  }
  const doom = cut ? { cut, onCut } : {}
  sim.life = await live(sim.out, { seed: sim.lastSeed, ...doom }).catch(() => {
    sim.lastSeed += 1
    return live(sim.out, { seed: sim.lastSeed })
  })
}

/** Undefined for a refusal that is meant; whatever else is thrown is a fault. */
export const refusedIn = (codes: readonly string[]) => (thrown: unknown) => {
  if (thrown instanceof TdfError && codes.includes(thrown.code)) return undefined
  throw thrown
}

export const ACTS: readonly Act[] = [
  {
    name: 'submit',
    weight: 20,
    async run(sim) {
      const id = `t${sim.acknowledged.size + 1}x${upTo(sim, 1000)}`
      const wishes = {
        priority: upTo(sim, 3),
        check: chance(sim, 0.3) ? (oneOf(sim, ['true', 'false'] as const) ?? null) : null,
        node: chance(sim, 0.1) ? (oneOf(sim, [...sim.out.agents.keys()]) ?? null) : null,
        size: chance(sim, 0.1) ? 'medium' : null,
        interactive: chance(sim, 0.05),
        timeoutMs: chance(sim, 0.1) ? 5 * MIN : null,
        maxCostUsd: chance(sim, 0.1) ? 0.5 : null,
        autoResume: chance(sim, 0.9),
      }
      const { script, ...agent } = anAgent(sim)
      await sim.life.submit({ ...wishes, ...agent }, script, id)
      sim.acknowledged.add(id)
    },
  },
  {
    name: 'time passes',
    weight: 30,
    run: sim => sim.life.world.clock.advance([500, 5_000, MIN, 10 * MIN, 45 * MIN][upTo(sim, 5)] ?? 0),
  },
  {
    name: 'cancel',
    weight: 5,
    async run(sim) {
      const id = someTask(sim)
      if (!id) return
      const { accepted } = await sim.life.engine.signal({ kind: 'cancel', taskId: id })
      if (accepted) sim.cancelled.add(`${id}/${sim.life.task(id).attempt}`)
    },
  },
  {
    name: 'retry',
    weight: 4,
    async run(sim) {
      const id = someTask(sim)
      const task = id === undefined ? undefined : sim.life.task(id)
      if (id === undefined || !task || !isTerminal(task.status)) return
      const resume = chance(sim, 0.4) && task.result !== null
      const { attempt } = await sim.life.engine.start(id, task.attempt + 1, { resume })
      sim.retried.add(`${id}/${attempt}`)
    },
  },
  {
    name: 'continue',
    weight: 4,
    async run(sim) {
      const id = someTask(sim)
      if (!id) return
      // Few keys, so that some come again.
      const key = `c${upTo(sim, 4)}`
      const { attempt: last } = sim.life.task(id)
      const asked = { key, hash: key, change: { prompt: `more of ${key}` } }
      const answer = await sim.life.engine.goOn(id, asked).catch(refusedIn(['WRONG_STATE', 'NO_RESULT']))
      const name = `${id} ${key}`
      const opened = sim.continued.get(name) ?? new Set()
      if (answer && answer.attempt > last) sim.continued.set(name, opened.add(`${id}/${answer.attempt}`))
    },
  },
  {
    name: 'send or close',
    weight: 3,
    async run(sim) {
      const taskId = someTask(sim)
      if (!taskId) return
      const deliveryId = `d${upTo(sim, 1_000)}`
      if (chance(sim, 0.5)) await sim.life.engine.signal({ kind: 'close', taskId })
      else await sim.life.engine.signal({ kind: 'followup', taskId, deliveryId, text: 'go on' })
    },
  },
  { name: 'crash', weight: 6, run: sim => restart(sim) },
  {
    name: 'live on towards a crash',
    weight: 6,
    async run(sim) {
      // Dies by itself at some effect of what comes next; the simulation begins the life after it.
      await restart(sim, { when: chance(sim, 0.5) ? 'before' : 'after', nth: 1 + upTo(sim, 60) })
      await sim.life.world.clock.advance(10_000)
    },
  },
  {
    name: 'an agent goes down or comes back',
    weight: 6,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (agent) agent.faults.down = !agent.faults.down
    },
  },
  {
    name: 'an agent loses its state',
    weight: 1,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (!agent) return
      for (const id of agent.workspaces.keys()) sim.wiped.add(id)
      agent.wipe()
    },
  },
  {
    name: 'pushes are lost, doubled or late',
    weight: 6,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (!agent) return
      agent.faults.losePushes = chance(sim, 0.4)
      agent.faults.doublePushes = chance(sim, 0.4)
      agent.faults.delayPushesMs = chance(sim, 0.4) ? upTo(sim, 5 * MIN) : 0
    },
  },
  {
    name: 'an agent refuses or loses an answer',
    weight: 8,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (!agent) return
      const match = oneOf(sim, [/POST/, /GET/, /DELETE/, /salvage/, /agent-sessions/, /bundle/, /health/]) ?? /POST/
      if (chance(sim, 0.5)) agent.faults.loseAnswer.push(match)
      const status = oneOf(sim, [500, 503, 429, 502]) ?? 500
      for (let times = upTo(sim, 8); times > 0; times--) agent.faults.refuse.push({ match, status })
    },
  },
  {
    name: 'salvage fails, builds fail, bundles break',
    weight: 3,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (agent) {
        agent.faults.salvageFails = chance(sim, 0.5)
        agent.faults.unreadable = chance(sim, 0.5)
        agent.faults.buildFails = chance(sim, 0.3) ? 'no space left on device' : null
      }
      sim.out.results.faults.broken = upTo(sim, 3)
    },
  },
  {
    name: 'an agent lies about the work of others, or about its numbers',
    weight: 3,
    run(sim) {
      const agent = oneOf(sim, agentsOf(sim))
      if (!agent) return
      const others = agentsOf(sim).filter(other => other !== agent)
      agent.faults.foreign = others.flatMap(({ workspaces }) => [...workspaces.keys()]).slice(0, 50)
      agent.faults.badPage = chance(sim, 0.3)
        ? (oneOf(sim, ['numbers that fall', 'too many rows'] as const) ?? null)
        : null
    },
  },
  {
    name: 'the cloud has a bad day',
    weight: 5,
    run({ out: { cloud }, jitter }) {
      if (!cloud) return
      const some = () => Math.floor(jitter() * 4)
      Object.assign(cloud.faults, {
        refuse: some(),
        loseAnswer: some(),
        full: some(),
        locked: some(),
        neverBoot: jitter() < 0.2,
      })
    },
  },
  {
    name: 'a machine vanishes',
    weight: 1,
    run(sim) {
      const name = oneOf(sim, [...(sim.out.cloud?.machines.keys() ?? [])])
      if (name === undefined) return
      for (const id of sim.out.cloud?.machines.get(name)?.agent.workspaces.keys() ?? []) sim.wiped.add(id)
      sim.out.cloud?.vanish(name)
    },
  },
  {
    name: 'the clock jumps',
    weight: 2,
    run(sim) {
      sim.life.world.clock.jump([MIN, 30 * MIN, 9 * 60 * MIN][upTo(sim, 3)] ?? MIN)
    },
  },
  {
    name: 'the faults stop',
    weight: 6,
    run: healAll,
  },
  {
    name: 'drain',
    weight: 1,
    async run(sim) {
      const { drainNode } = await import('../../../daemon/nodes/actions.ts')
      const node = oneOf(sim, readNodes(sim.life.engine.store.sql))
      if (!node) return
      await drainNode(sim.life.engine, node.name, { undo: false, dryRun: false }).catch(() => {})
      await sim.life.world.clock.advance(MIN)
      await drainNode(sim.life.engine, node.name, { undo: true, dryRun: false }).catch(() => {})
    },
  },
]

export function healAll(sim: Sim): void {
  for (const { faults } of agentsOf(sim)) {
    Object.assign(faults, {
      down: false,
      losePushes: false,
      doublePushes: false,
      delayPushesMs: 0,
      buildFails: null,
      salvageFails: false,
      unreadable: false,
      foreign: [],
      badPage: null,
    })
    faults.refuse.length = 0
    faults.loseAnswer.length = 0
  }
  const { cloud, results, afterRun } = sim.out
  results.faults.broken = 0
  if (afterRun) Object.assign(afterRun.servers.faults, { away: 0, loseAnswer: 0 })
  if (cloud) Object.assign(cloud.faults, { refuse: 0, loseAnswer: 0, full: 0, locked: 0, neverBoot: false })
}
