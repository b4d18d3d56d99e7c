/** Tasks that come after others, and races: what can be submitted on top of what there is. */

import { awaitedBy } from '../../../src/core/facts.ts'
import type { AfterSpec } from '../../../src/core/source.ts'
import { readLive } from '../../../src/store/tables/attempts.ts'
import type { Script } from '../../fakes/agent.ts'
import { aSpec } from '../../support/builders.ts'
import type { Sim } from '../simulation.ts'
import type { Act } from './acts.ts'

const MIN = 60_000

const upTo = ({ jitter }: Sim, most: number) => Math.floor(jitter() * most)
const chance = ({ jitter }: Sim, share: number) => jitter() < share

const aScript = (sim: Sim): Script => ({
  ...{ ms: 500 + upTo(sim, 20 * MIN), busy: true, commits: upTo(sim, 3), exitCode: chance(sim, 0.2) ? 3 : 0 },
  score: chance(sim, 0.2) ? null : String(upTo(sim, 4)),
})

function someOf(sim: Sim, most: number): string[] {
  const known = [...sim.acknowledged]
  return [...new Set(Array.from({ length: 1 + upTo(sim, most) }, () => known[upTo(sim, known.length)] ?? []).flat())]
}

export const GRAPH_ACTS: readonly Act[] = [
  {
    name: 'submit after others',
    weight: 20,
    async run(sim) {
      const ids = someOf(sim, 3)
      if (ids.length === 0) return
      const after: AfterSpec = {
        ...{ ids, from: ids.filter(() => chance(sim, 0.4)) },
        if: chance(sim, 0.5) ? 'ended' : 'ok',
        onFailed: chance(sim, 0.6) ? 'cancel' : 'hold',
      }
      const id = `g${sim.acknowledged.size + 1}x${upTo(sim, 1000)}`
      await sim.life.submit({ after }, aScript(sim), id)
      sim.acknowledged.add(id)
    },
  },
  {
    name: 'submit a race',
    weight: 10,
    async run(sim) {
      const name = `race-${sim.acknowledged.size + 1}x${upTo(sim, 1_000_000)}`
      const race = { pick: './score.sh', first: chance(sim, 0.3) }
      const members = Array.from({ length: 2 + upTo(sim, 2) }, (_, index) => ({
        ...{ id: `r${sim.acknowledged.size + 1 + index}x${upTo(sim, 1000)}`, spec: aSpec({ race }, aScript(sim)) },
        member: { group: name, key: String(index + 1) },
        ...{ idempotencyKey: null, idempotencyHash: null, createdAt: sim.life.world.clock.now() },
      }))
      const atMost = chance(sim, 0.3) ? 1 : null
      await sim.life.engine.submitAll({ name, kind: 'race', atMost }, () => members)
      for (const { id } of members) sim.acknowledged.add(id)
    },
  },
]

/** What is held by predecessors that failed goes on for no one: once nothing else goes on, people cancel it. */
export async function cancelHeld({ life }: Sim): Promise<void> {
  const isHeld = (id: string) => awaitedBy(life.task(id)) === 'predecessors'
  const isStill = () => readLive(life.engine.store.sql).every(({ id }) => isHeld(id))
  // What was held by one may be held by another since.
  for (let round = 0; round < ROUNDS; round++) {
    await life.world.run(isStill, 60 * 60 * MIN)
    // Also what was stored and never answered.
    for (const { id } of readLive(life.engine.store.sql)) {
      if (isHeld(id)) await life.engine.signal({ kind: 'cancel', taskId: id })
    }
  }
}

const ROUNDS = 4
