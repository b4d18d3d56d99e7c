/** The numbers of daemons that share their state in a PostgreSQL, which this starts and ends. */
import type { Row } from '../report.ts'
import { type Pair, startPair } from './pair.ts'
import { patroniRows } from './patroni.ts'
import { callbackRow, commitRow, throughputRows } from './speed.ts'
import { frozenRow, handoverRow, killRow } from './takeover.ts'

const KEPT = 100_000

export async function clusterRows(isShort: boolean): Promise<Row[]> {
  const pair = await startPair()
  if (!pair) return [{ what: 'state on PostgreSQL', bar: '', measured: 'not run: it is not installed', holds: null }]
  try {
    const rows: Row[] = []
    for (const [name, measure] of Object.entries(parts(pair, isShort)))
      rows.push(...(await measured(pair, name, measure)))
    return isShort ? rows : [...rows, ...(await patroniRows())]
  } finally {
    await pair.remove()
  }
}

function parts(pair: Pair, isShort: boolean): Record<string, () => Promise<Row[]>> {
  return {
    tasks: () => (isShort ? throughputRows(pair, 1, 1_000) : throughputRows(pair, 3, 2_000)),
    callbacks: async () => [isShort ? await callbackRow(pair, 1, 5) : await callbackRow(pair, 3, 8)],
    commits: async () => [await commitRow(pair, 25)],
    kill: async () => [await killRow(pair, { parked: 2_000, kept: 0 })],
    'kill, many kept': async () => [await killRow(pair, { parked: 2_000, kept: isShort ? 10_000 : KEPT })],
    freeze: async () => [await frozenRow(pair, 500)],
    handover: async () => [await handoverRow(pair, 500)],
  }
}

/** One that breaks keeps the others from nothing. */
async function measured(pair: Pair, name: string, measure: () => Promise<Row[]>): Promise<Row[]> {
  try {
    return await measure()
  } catch (thrown) {
    const broken = `did not finish: ${String(thrown)}; ${await pair.state()}`
    return [{ what: `state on PostgreSQL: ${name}`, bar: '', measured: broken, holds: false }]
  } finally {
    await pair.endHosts()
  }
}
