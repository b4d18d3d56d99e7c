/** Durable tasks from submit to end: seven steps, one callback, beside the bare loop in turn. */
import { makeFolder, type Program, startHost } from '../load/host.ts'
import { ids, runToEnd } from '../load/workload.ts'
import type { Row } from '../report.ts'
import { median, spread } from '../stats.ts'

export interface Run {
  tasksPerSecond: number
  cpuMsPerTask: number
}

const WARM_UP = 500

export async function throughput(program: Program, tasks: number): Promise<Run> {
  const folder = makeFolder()
  const host = await startHost(program, folder.dir)
  try {
    await runToEnd(host, ids(WARM_UP, 'w'))
    const cpu = host.cpuMs()
    const ms = await runToEnd(host, ids(tasks))
    return { tasksPerSecond: (tasks / ms) * 1000, cpuMsPerTask: (host.cpuMs() - cpu) / tasks }
  } finally {
    await host.kill()
    folder.remove()
  }
}

/** The two in turn, so that a machine that slows down slows both. */
export async function inTurn(count: number, tasks: number): Promise<{ bare: Run[]; tdf: Run[] }> {
  const runs = { bare: [] as Run[], tdf: [] as Run[] }
  for (let round = 0; round < count; round++) {
    for (const program of ['bare', 'tdf'] as const) runs[program].push(await throughput(program, tasks))
  }
  return runs
}

export async function throughputRows(count: number, tasks: number): Promise<Row[]> {
  const { bare, tdf } = await inTurn(count, tasks)
  const ratios = tdf.map((run, index) => run.tasksPerSecond / (bare[index]?.tasksPerSecond ?? Number.NaN))
  const speed = (runs: Run[]) => spread(runs.map(run => run.tasksPerSecond))
  const cpu = tdf.map(run => run.cpuMsPerTask)
  return [
    {
      what: `durable tasks (7 steps, one callback, ${tasks} tasks)`,
      bar: '≥ 0.5 × bare',
      measured: `${spread(ratios, 2)} ×: ${speed(tdf)} tasks/s, bare ${speed(bare)}`,
      holds: median(ratios) >= 0.5,
    },
    {
      what: 'processor time for each of them',
      bar: '≤ 1.5 ms',
      measured: `${spread(cpu, 2)} ms, bare ${spread(
        bare.map(run => run.cpuMsPerTask),
        2,
      )} ms`,
      holds: median(cpu) <= 1.5,
    },
  ]
}
