/** What a benchmark says, and the page that it becomes: machine, commit, one table, one chart. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import type { Point } from './chart.ts'
import { growthChart } from './chart.ts'

export interface Row {
  what: string
  /** The bar of the project's design; empty where there is none. */
  bar: string
  measured: string
  /** Null where there is no bar, or nothing to measure it with. */
  holds: boolean | null
}

export interface Results {
  rows: Row[]
  growth: Point[]
  short: boolean
}

export function writeReport({ rows, growth, short }: Results): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const [cpu] = os.cpus()
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`
  const lines = [
    '# Benchmark results',
    '',
    'Written by `npm run bench`. Medians, with the lowest and the highest round in brackets; ratios are to a bare loop of',
    'hono and libsql in the same run (`test/perf/bench/bare/`), or to `node -e 0` for the command line.',
    ...(short ? ['This was a short run with one round of the long rows.'] : []),
    '',
    `${cpu?.model.trim() ?? 'unknown processor'}, ${os.cpus().length} cores, ${memory}, Linux ${os.release()}, Node ${process.version};`,
    `commit ${commit}, ${new Date().toISOString().slice(0, 10)}; load average when it began: ${loadAverage()}.`,
    '',
    '| what | bar | measured | |',
    '|---|---|---|---|',
    ...rows.map(({ what, bar, measured, holds }) => `| ${what} | ${bar} | ${measured} | ${mark(holds)} |`),
    '',
    ...(growth.length > 0 ? ['![growth with the number of tasks](growth.svg)', ''] : []),
  ]
  writeFileSync('test/perf/bench/results/results.md', lines.join('\n'))
  if (growth.length > 0) writeFileSync('test/perf/bench/results/growth.svg', growthChart(growth))
}

const startLoad = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
const loadAverage = () => startLoad ?? '?'
const mark = (holds: boolean | null) => (holds === null ? '' : holds ? 'holds' : '**misses**')

export function say(row: Row): void {
  console.log(`${row.what}: ${row.measured}${row.bar ? ` (bar ${row.bar}: ${mark(row.holds)})` : ''}`)
}
