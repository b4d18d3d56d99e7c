/**
 * `npm run bench:check`: whether the engine has become slower. The figure is its processor time for a task over that of
 * the bare loop in the same run, which other work on the machine hardly moves; the best of three counts.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { type Run, throughput } from './rows/throughput.ts'

const FILE = 'test/perf/bench/results/baseline.json'
const TASKS = 1_500
const ROUNDS = 3
const REGRESSION_MAX = 1.5

/** The exit code. `TDF_GOLDEN=1` writes the baseline anew. */
export async function check(): Promise<number> {
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++)
    ratios.push(costRatio(await throughput('bare', TASKS), await throughput('tdf', TASKS)))
  const best = Math.min(...ratios)
  if (process.env.TDF_GOLDEN) {
    writeFileSync(FILE, `{ "cpuRatio": ${Number(best.toFixed(2))} }\n`)
    return 0
  }
  const { cpuRatio } = JSON.parse(readFileSync(FILE, 'utf8')) as { cpuRatio: number }
  const verdict = judge(best, cpuRatio)
  console.log(
    `${verdict ? 'passed' : 'FAILED'}: a task costs ${best.toFixed(2)} × the bare loop, the baseline is ${cpuRatio}`,
  )
  return verdict ? 0 : 1
}

export const judge = (ratio: number, baseline: number) => ratio <= baseline * REGRESSION_MAX

const costRatio = (bare: Run, tdf: Run) => tdf.cpuMsPerTask / bare.cpuMsPerTask
