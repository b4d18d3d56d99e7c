/** SIGKILL of the real daemon before and after every commit while a pull request is red: its agent is given it once. Before them a person pushes meanwhile. */
import { expect, it } from 'vitest'
import { MENDED_ONCE, pullRun } from '../../fakes/programs/forge/scene.ts'

const AT_ONCE = 3

it.each(['before', 'after'])(
  'a daemon killed %s any commit gives what is red to the agent once, and pushes its answer once',
  async when => {
    let points = 0
    for (let reached = true; reached; ) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => `${when}:commit:${points + index + 1}`)
      const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await pullRun(plan, when === 'before')) })))
      for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(MENDED_ONCE)
      points += runs.filter(({ crashed }) => crashed).length
      reached = runs.every(({ crashed }) => crashed)
    }
    expect(points).toBeGreaterThan(5)
  },
  1_800_000,
)
