import { describe, expect, it } from 'vitest'
import { simulate } from './simulation.ts'

/**
 * A few fixed seeds on every change; `npm run sim -- --seeds 2000` runs as many as there is time for. In 268 a machine is
 * drained after its warm time was over: it woke again and again without a pause.
 */
const SEEDS = [1, 2, 3, 4, 268]
/** With landings, pull requests and artifacts. */
const AFTER_SEEDS = [18]
/** With tasks that come after others, races and schedules. */
const GRAPH_SEEDS = [1, 4]
const TICKS = 80

describe('the whole daemon, simulated', () => {
  it.each(SEEDS)(
    'keeps every invariant with seed %i',
    async seed => {
      const { findings, tasks, story } = await simulate({ seed, ticks: TICKS })
      expect(findings, `npm run sim -- --seed ${seed} --ticks ${TICKS}\n${story.join('\n')}`).toEqual([])
      expect(tasks).toBeGreaterThan(0)
    },
    60_000,
  )

  it.each(AFTER_SEEDS)(
    'keeps every invariant of what comes after the run with seed %i',
    async seed => {
      const { findings, story } = await simulate({ seed, ticks: TICKS, afterRun: 'sound' })
      expect(findings, story.join('\n')).toEqual([])
    },
    60_000,
  )

  it.each(GRAPH_SEEDS)(
    'keeps every invariant of tasks that come after others, and of races, with seed %i',
    async seed => {
      const { findings, story } = await simulate({ seed, ticks: TICKS, graphs: true })
      expect(findings, story.join('\n')).toEqual([])
    },
    60_000,
  )
})
