/** What a dashboard with a lively journal costs, in a terminal of its own. */
import path from 'node:path'
import { measureDashboard } from '../dashboard.ts'
import type { Row } from '../report.ts'

const CPU_PERCENT_MAX = 10

export async function dashboardRow(ms: number): Promise<Row> {
  const cost = await measureDashboard(path.resolve('dist/tdf.js'), { ms })
  const { cpuPercent, bytesPerUpdate, updates, clears, rssMb } = cost
  return {
    what: 'dashboard, 5 000 tasks and 200 events/s, 120×40',
    bar: `≤ ${CPU_PERCENT_MAX} % of a core, < 1 kB an update, no clearing`,
    measured: `${cpuPercent} %, ${bytesPerUpdate} bytes in each of ${updates} updates, ${clears} clearings; ${rssMb} MiB`,
    holds: cpuPercent <= CPU_PERCENT_MAX && bytesPerUpdate < 1_000 && clears === 0,
  }
}
