/** How long a callback takes to become the next step's body, while many others wait. */
import { type Host, makeFolder, type Program, startHost } from '../load/host.ts'
import { callAtRate, ids, park } from '../load/workload.ts'
import type { Row } from '../report.ts'
import { quantile } from '../stats.ts'

const WARM_UP = 200

async function withParked<T>(program: Program, tasks: number, use: (host: Host) => Promise<T>): Promise<T> {
  const folder = makeFolder()
  const host = await startHost(program, folder.dir)
  try {
    const warm = ids(WARM_UP, 'w')
    await park(host, [...ids(tasks), ...warm])
    await callAtRate(host, warm, 100)
    return await use(host)
  } finally {
    await host.kill()
    folder.remove()
  }
}

/** The calls go to the first of them; all others wait on. */
const latencies = (program: Program, parked: number, calls: number, perSecond: number) =>
  withParked(program, parked + calls, host => callAtRate(host, ids(calls), perSecond))

const text = (ms: number[]) => `p50 ${quantile(ms, 0.5).toFixed(1)}, p99 ${quantile(ms, 0.99).toFixed(1)} ms`

export async function callbackRows(count: number, seconds: number): Promise<Row[]> {
  const [bare, tdf]: [number[][], number[][]] = [[], []]
  for (let round = 0; round < count; round++) {
    bare.push(await latencies('bare', 1_000, 50 * seconds, 50))
    tdf.push(await latencies('tdf', 1_000, 50 * seconds, 50))
  }
  const [bareMs, tdfMs] = [bare.flat(), tdf.flat()]
  const ratio = quantile(tdfMs, 0.99) / quantile(bareMs, 0.99)
  const many = await latencies('tdf', 10_000, 50 * seconds, 50)
  const fast = await latencies('tdf', 10_000, 1_000 * Math.min(seconds, 5), 1_000)
  const worst = Math.max(quantile(many, 0.99), quantile(fast, 0.99))
  return [
    {
      what: 'callback sent → next body, 50/s, 1 000 parked',
      bar: 'p99 ≤ 1.5 × bare',
      measured: `${ratio.toFixed(2)} ×: ${text(tdfMs)}; bare ${text(bareMs)}`,
      holds: ratio <= 1.5,
    },
    {
      what: 'the same with 10 000 parked, and at 1 000/s',
      bar: 'p99 ≤ 20 ms',
      measured: `50/s: ${text(many)}; 1 000/s: ${text(fast)}`,
      holds: worst <= 20,
    },
  ]
}
