/** SIGKILL of the real daemon at every commit, and at every call to the agent, of a task whose check leaves a report to keep. */
import { expect, it } from 'vitest'
import { crashRun, REPORTED_END, WITH_REPORT } from '../../support/daemon/crash-run.ts'

const AT_ONCE = 3

it.each(['before:commit', 'after:agent'])(
  'a daemon killed %s ends the task the same, with the report at home before its workspace goes',
  async at => {
    let points = 0
    for (let reached = true; reached; ) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => `${at}:${points + index + 1}`)
      const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await crashRun(plan, WITH_REPORT)) })))
      for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(REPORTED_END)
      points += runs.filter(({ crashed }) => crashed).length
      reached = runs.every(({ crashed }) => crashed)
    }
    expect(points).toBeGreaterThan(5)
  },
  1_800_000,
)
