/** The same simulation with the state on a ledger that is slow, away, loses answers, and is taken over meanwhile. */
import { expect, it } from 'vitest'
import { SOUND } from './ledger.ts'
import { simulate } from './simulation.ts'

const SEEDS = [1, 2, 3]
const TICKS = 80

it.each(SEEDS)(
  'the whole daemon over a ledger keeps every invariant with seed %i',
  async seed => {
    const { findings, tasks, story } = await simulate({ seed, ticks: TICKS, ledger: SOUND })
    expect(findings, `npm run sim -- --seed ${seed} --ticks ${TICKS} --ledger 1\n${story.join('\n')}`).toEqual([])
    expect(tasks).toBeGreaterThan(0)
  },
  120_000,
)
