/** The simulation with the state on a ledger: what its faults are, what else can happen then, and what has to hold. */
import { readRows } from '../../src/store/ledger/rows.ts'
import type { LedgerFaults, LedgerFlaw } from '../fakes/ledger.ts'
import { mulberry32 } from '../fakes/world.ts'
import { live } from '../support/daemon/sim-daemon.ts'
import type { Act } from './acts/acts.ts'
import type { Check } from './seen.ts'
import type { Sim } from './simulation.ts'

/** Beside the faults that are part of the game, the ledger may be a broken one, in one write of so many. */
export interface LedgerPlan {
  flaw: LedgerFlaw | null
  oneIn: number
}

export const SOUND: LedgerPlan = { flaw: null, oneIn: 1 }

/** Dice of its own: the same seed does the same things with and without a ledger. */
export function ledgerFaults(seed: number, { flaw, oneIn }: LedgerPlan): LedgerFaults {
  const dice = mulberry32(seed ^ 0x1ed6e4)
  return {
    turns: () => (dice() < 0.5 ? 0 : Math.floor(dice() * 4)),
    losesAnswer: () => dice() < 0.05,
    outlives: () => dice() < 0.5,
    flaw,
    isFlawed: () => dice() * oneIn < 1,
  }
}

const AWAY_MS = [500, 30_000, 10 * 60_000]

export const LEDGER_ACTS: readonly Act[] = [
  {
    name: 'the database is away for a while',
    weight: 6,
    async run({ out, life, jitter }) {
      out.ledger?.leave()
      await life.world.clock.advance(AWAY_MS[Math.floor(jitter() * AWAY_MS.length)] ?? 0)
      out.ledger?.comeBack()
    },
  },
  {
    name: 'another daemon takes over, and this one goes on until it notices',
    weight: 6,
    async run(sim) {
      const { life: old } = sim
      sim.crashes += 1
      sim.lastSeed += 1
      sim.life = await live(sim.out, { seed: sim.lastSeed })
      // A beat tells it, when no write does.
      await sim.life.world.clock.advance(Math.floor(sim.jitter() * 5_000))
      old.kill()
    },
  },
]

/** What the daemon has in memory is what the ledger has. */
export const ledgerInvariants: Record<string, Check> = {
  'the ledger has what the daemon has'({ sql, sim }) {
    const { ledger } = sim.out
    if (!ledger) return []
    const here = new Map(readRows(sql).map(({ table, key, row }) => [`${table} ${key}`, row]))
    const there = new Map([...ledger.rows].map(([name, { row }]) => [name, row]))
    const names = new Set([...here.keys(), ...there.keys()])
    return [...names]
      .filter(name => !/^(schema|sqlite_sequence) /.test(name) && here.get(name) !== there.get(name))
      .map(name => `${name} is ${there.get(name) ?? 'not there'}, and should be ${here.get(name) ?? 'gone'}`)
  },
}

export const actsOf = ({ out }: Pick<Sim, 'out'>, acts: readonly Act[]) =>
  out.ledger ? [...acts, ...LEDGER_ACTS] : acts
