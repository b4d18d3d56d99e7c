/** The built program in a real terminal under load: what it writes. What it costs is a row of the benchmark. */
import path from 'node:path'
import { expect, it } from 'vitest'
import { measureDashboard } from '../../perf/bench/dashboard.ts'

it('with 5 000 tasks and 200 events a second clears nothing and writes less than a kilobyte an update', async () => {
  const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')
  const { clears, updates, bytesPerUpdate } = await measureDashboard(program, {
    tasks: 5_000,
    eventsASecond: 200,
    ms: 10_000,
  })
  expect(updates).toBeGreaterThan(5)
  expect(clears).toBe(0)
  expect(bytesPerUpdate).toBeLessThan(1_000)
}, 60_000)
