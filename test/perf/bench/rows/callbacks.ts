/** How long a callback takes to become the next step's body, while many others wait. */
import { type Host, makeFolder, type Program, startHost } from '../load/host.ts'
import { callAtRate, ids, park } from '../load/workload.ts'
import type { Row } from '../report.ts'
import { median, quantile, spread } from '../stats.ts'

/**
 * Calls before it is measured, at so many a second: a daemon runs for months, and for the first thousand calls of a
 * process V8 still compiles, up to 4 ms at a time on the thread that answers.
 */
const WARM_UP = 2_000
const WARM_UP_PER_SECOND = 500

interface How {
  program: Program
  env?: Record<string, string>
}

const TDF: How = { program: 'tdf' }
const BARE: How = { program: 'bare' }
/** Stores and answers the call first, and what follows from it in the next commit. */
const APART: How = { program: 'bare', env: { APART: '1' } }

async function withParked<T>(how: How, tasks: number, use: (host: Host) => Promise<T>): Promise<T> {
  const folder = makeFolder()
  const host = await startHost(how.program, folder.dir, how.env)
  try {
    const warm = ids(WARM_UP, 'w')
    await park(host, [...ids(tasks), ...warm])
    await callAtRate(host, warm, WARM_UP_PER_SECOND)
    return await use(host)
  } finally {
    await host.kill()
    folder.remove()
  }
}

/** The calls go to the first of them; all others wait on. */
const latencies = (how: How, parked: number, calls: number, perSecond: number) =>
  withParked(how, parked + calls, host => callAtRate(host, ids(calls), perSecond))

const text = (ms: number[]) => `p50 ${quantile(ms, 0.5).toFixed(1)}, p99 ${quantile(ms, 0.99).toFixed(1)} ms`

export async function callbackRows(count: number, seconds: number): Promise<Row[]> {
  const [bare, apart, tdf]: [number[][], number[][], number[][]] = [[], [], []]
  for (let round = 0; round < count; round++) {
    bare.push(await latencies(BARE, 1_000, 50 * seconds, 50))
    apart.push(await latencies(APART, 1_000, 50 * seconds, 50))
    tdf.push(await latencies(TDF, 1_000, 50 * seconds, 50))
  }
  const p99 = (round: number[] | undefined) => quantile(round ?? [], 0.99)
  const ratiosTo = (others: number[][]) => tdf.map((round, index) => p99(round) / p99(others[index]))
  const ratios = ratiosTo(bare)
  const many = await latencies(TDF, 10_000, 50 * seconds, 50)
  const fast = await latencies(TDF, 10_000, 1_000 * Math.min(seconds, 5), 1_000)
  const worst = Math.max(quantile(many, 0.99), quantile(fast, 0.99))
  return [
    {
      what: 'callback sent → next body, 50/s, 1 000 parked',
      bar: 'p99 ≤ 1.5 × bare',
      measured:
        `${spread(ratios, 2)} ×: ${text(tdf.flat())}; bare ${text(bare.flat())}; ` +
        `bare with the call and what follows in two commits ${text(apart.flat())} (${spread(ratiosTo(apart), 2)} ×)`,
      holds: median(ratios) <= 1.5,
    },
    {
      what: 'the same with 10 000 parked, and at 1 000/s',
      bar: 'p99 ≤ 20 ms',
      measured: `50/s: ${text(many)}; 1 000/s: ${text(fast)}`,
      holds: worst <= 20,
    },
  ]
}
