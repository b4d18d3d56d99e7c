/** SIGKILL of the real daemon before and after every commit of a `tdf continue`: one attempt, which runs once. */
import { expect, it } from 'vitest'
import { CONTINUED_ONCE, continueRun } from '../../support/daemon/crash-run.ts'

const AT_ONCE = 3

it.each(['before', 'after'])(
  'a daemon killed %s any commit opens one attempt, which runs once and leaves the one before it as it was',
  async when => {
    let points = 0
    for (let reached = true; reached; ) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => `${when}:commit:${points + index + 1}`)
      const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await continueRun(plan)) })))
      for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(CONTINUED_ONCE)
      points += runs.filter(({ crashed }) => crashed).length
      reached = runs.every(({ crashed }) => crashed)
    }
    expect(points).toBeGreaterThan(10)
  },
  900_000,
)
