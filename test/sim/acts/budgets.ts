/** Money: agents that cost something as long as they run, budgets that hold them, and users who allow more. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { Script } from '../../fakes/agent.ts'
import { aConfig, aSpec } from '../../support/builders.ts'
import type { Sim } from '../simulation.ts'
import type { Act } from './acts.ts'

const MIN = 60_000

const upTo = ({ jitter }: Sim, most: number) => Math.floor(jitter() * most)
const chance = ({ jitter }: Sim, share: number) => jitter() < share
const oneOf = <T>(sim: Sim, things: readonly T[]): T | undefined => things[upTo(sim, things.length)]

/** In half of the simulations; the rest is as without. */
export function budgetsOf(dice: () => number): Config['budgets'] {
  const { budgets } = aConfig()
  if (dice() < 0.5) return budgets
  const own = { label: 'team=web', day: 1 + Math.floor(dice() * 3), week: 0, month: 0 }
  return {
    ...{ ...budgets, usdPerEur: 1, day: 2 + Math.floor(dice() * 5), for: dice() < 0.6 ? [own] : [] },
    atLimit: dice() < 0.6 ? 'pause' : 'no-new',
    machinesMonth: dice() < 0.3 ? 2 : 0,
  }
}

/** People raise what still holds a task. */
export function raiseBudgets({ out, money }: Sim): void {
  money.used = []
  Object.assign(out.config.budgets, { day: 0, machinesMonth: 0, for: [] })
}

export const BUDGET_ACTS: readonly Act[] = [
  {
    name: 'submit what costs money',
    weight: 18,
    async run(sim) {
      const id = `b${sim.acknowledged.size + 1}x${upTo(sim, 1000)}`
      const resumeRef = chance(sim, 0.7) ? 'a-conversation' : null
      const script: Script = {
        ...{ ms: MIN + upTo(sim, 90 * MIN), busy: true, commits: upTo(sim, 3), spends: sim.jitter() * 0.05 },
        says: { outcome: 'success', resumeRef },
      }
      const agent = { ...aSpec({}, { ...script, resumed: script }).agent, name: 'claude', type: 'claude' as const }
      const maxCostUsd = chance(sim, 0.3) ? 0.5 + sim.jitter() : null
      const atLimit = maxCostUsd !== null && chance(sim, 0.6) ? { atLimit: 'ask' as const } : {}
      const labels: Record<string, string> = chance(sim, 0.5) ? { team: oneOf(sim, ['web', 'api']) ?? 'web' } : {}
      await sim.life.submit({ agent, labels, maxCostUsd, ...atLimit }, script, id)
      sim.acknowledged.add(id)
    },
  },
  {
    name: 'cancel what costs money',
    weight: 4,
    async run(sim) {
      const running = sim.out.meter.filter(({ session }) => session.status === 'running')
      const id = oneOf(sim, running)?.taskId
      if (id === undefined) return
      const { accepted } = await sim.life.engine.signal({ kind: 'cancel', taskId: id })
      if (accepted) sim.cancelled.add(`${id}/${sim.life.task(id).attempt}`)
    },
  },
  {
    name: 'a user allows more',
    weight: 5,
    async run(sim) {
      const resting = [...sim.acknowledged].filter(id => sim.life.task(id).facts.paused)
      const taskId = oneOf(sim, resting)
      if (taskId === undefined) return
      sim.money.allowedAt.push(sim.life.world.clock.now())
      await sim.life.engine.signal({ kind: 'followup', taskId, deliveryId: `a${upTo(sim, 1e6)}`, text: 'allow' })
    },
  },
]
