/** SIGKILL of the real daemon before and after every commit and every call to the agent, one run each. */
import { describe, expect, it } from 'vitest'
import { crashRun, THE_SAME_END } from '../../support/daemon/crash-run.ts'

const AT_ONCE = 3

describe.each(['before', 'after'])('a daemon killed %s', when => {
  it.each(['commit', 'agent'])(
    'any %s ends the task the same',
    async effect => {
      let points = 0
      for (let reached = true; reached; ) {
        const batch = Array.from({ length: AT_ONCE }, (_, index) => `${when}:${effect}:${points + index + 1}`)
        const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await crashRun(plan)) })))
        for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(THE_SAME_END)
        points += runs.filter(({ crashed }) => crashed).length
        reached = runs.every(({ crashed }) => crashed)
      }
      expect(points).toBeGreaterThan(10)
    },
    600_000,
  )
})
