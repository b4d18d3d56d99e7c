/**
 * `npm run bench`: every row, written to `results.md`. `-- --only throughput,start` runs some of them and prints;
 * `-- --short` makes fewer rounds; `-- --check` fails on a regression.
 */
import process from 'node:process'
import type { Point } from './chart.ts'
import { check } from './check.ts'
import { clusterRows } from './cluster/rows.ts'
import { dashboardRow } from './dashboard.ts'
import { type Row, say, writeReport } from './report.ts'
import { callbackRows } from './rows/callbacks.ts'
import { floodRow } from './rows/flood.ts'
import { fill, growthPoints, growthRow } from './rows/growth.ts'
import { keptRows } from './rows/kept.ts'
import { placementRow, scheduleRow, tickRow } from './rows/placement.ts'
import { parkedRow, recoveryRow } from './rows/recovery.ts'
import { replayRow } from './rows/replay.ts'
import { startRows } from './rows/start.ts'
import { storeRows } from './rows/store.ts'
import { streamRows } from './rows/streams.ts'
import { bigRows } from './rows/tasks/big.ts'
import { heldRows } from './rows/tasks/held.ts'
import { localRows } from './rows/tasks/local.ts'
import { throughputRows } from './rows/throughput.ts'

const words = process.argv.slice(2)
/** Fewer rounds: for a look, not for the record. */
const SHORT = words.includes('--short')
let growth: Point[] = []

/** In the order of the report. */
const BENCHES: Record<string, () => Promise<Row[]>> = {
  throughput: () => (SHORT ? throughputRows(1, 1_500) : throughputRows(3, 5_000)),
  replay: async () => [await replayRow(SHORT ? 1 : 3, SHORT ? 1_500 : 5_000)],
  callbacks: () => (SHORT ? callbackRows(1, 5) : callbackRows(3, 20)),
  recovery: async () => [await recoveryRow()],
  parked: async () => [await parkedRow(SHORT ? 10 : 60)],
  placement: async () => [await placementRow(25), ...(await heldRows(25)), tickRow(), await scheduleRow(25)],
  start: () => startRows(25),
  kept: () => keptRows(SHORT ? 5 : 15),
  local: () => localRows(9),
  big: () => bigRows(SHORT ? 1 : 3),
  store: () => storeRows(25),
  streams: () => streamRows(500),
  flood: async () => [await floodRow(SHORT ? 5 : 20)],
  cluster: () => clusterRows(SHORT),
  dashboard: async () => [await dashboardRow(SHORT ? 10_000 : 30_000)],
  async growth() {
    growth = await growthPoints()
    return [growthRow(growth)]
  },
}

const only = words[words.indexOf('--only') + 1]?.split(',')
if (words[0] === '--fill') await fill(words[1] ?? '', Number(words[2]))
else if (words.includes('--check')) process.exitCode = await check()
else process.exitCode = await bench(words.includes('--only') ? only : undefined)
process.exit()

async function bench(names: string[] = Object.keys(BENCHES)): Promise<number> {
  const rows: Row[] = []
  for (const name of names) {
    for (const row of await rowsOf(name)) {
      say(row)
      rows.push(row)
    }
  }
  if (names.length === Object.keys(BENCHES).length) writeReport({ rows, growth, short: SHORT })
  return rows.some(({ holds }) => holds === false) ? 1 : 0
}

/** One that breaks is on the page as broken, and never keeps the others from it. */
async function rowsOf(name: string): Promise<Row[]> {
  try {
    return (await BENCHES[name]?.()) ?? []
  } catch (thrown) {
    return [{ what: name, bar: '', measured: `did not finish: ${String(thrown)}`, holds: false }]
  }
}
