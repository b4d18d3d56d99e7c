/** How long the command line takes beside Node alone, in turn; and the size of what it loads. */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { makeHome } from '../../../support/daemon/home.ts'
import type { Row } from '../report.ts'
import { median, spread } from '../stats.ts'

export const PROGRAM = path.resolve('bin/tdf')
const HYPERFINE_MS_MAX = 60_000

export async function startRows(count: number): Promise<Row[]> {
  const home = makeHome()
  await home.start()
  try {
    const bare: number[] = []
    const version: number[] = []
    const ls: number[] = []
    for (let round = -2; round < count; round++) {
      const [one, two, three] = [
        await run(home.env, ['-e', '0']),
        await run(home.env, [PROGRAM, '--version']),
        await run(home.env, [PROGRAM, 'ls']),
      ]
      if (round < 0) continue
      bare.push(one)
      version.push(two)
      ls.push(three)
    }
    const row = (what: string, times: number[], bar: number): Row => {
      const ratio = median(times) / median(bare)
      const measured = `${ratio.toFixed(2)} ×: ${spread(times)} ms, node ${spread(bare)} ms`
      return { what, bar: `≤ ${bar} × node -e 0`, measured, holds: ratio <= bar }
    }
    const kilobytes = Math.round(statSync('dist/tdf.js').size / 1024)
    return [
      row('tdf --version', version, 1.5),
      row(`tdf ls, against a running daemon (first file ${kilobytes} KiB)`, ls, 2.2),
      ...hyperfineRow(home.env),
    ]
  } finally {
    await home.remove()
  }
}

/** The same by hyperfine where it is installed: one command after the other, each many times. */
function hyperfineRow(env: Record<string, string>): Row[] {
  const commands = [
    ['-e', '0'],
    [PROGRAM, '--version'],
    [PROGRAM, 'ls'],
  ].map(args => [process.execPath, ...args].map(word => `'${word}'`).join(' '))
  const file = path.join(env.TDF_HOME ?? '.', 'hyperfine.json')
  const options = ['--shell=none', '--warmup', '5', '--runs', '40', '--export-json', file]
  const { error, status } = spawnSync('hyperfine', [...options, ...commands], { env, timeout: HYPERFINE_MS_MAX })
  if (error || status !== 0) return []
  const medians: number[] = JSON.parse(readFileSync(file, 'utf8')).results.map(
    (result: { median: number }) => result.median,
  )
  const [bare = Number.NaN, ...others] = medians
  const ratios = others.map(value => `${(value / bare).toFixed(2)} ×`)
  const measured = `${ratios.join(' and ')} of ${(bare * 1000).toFixed(0)} ms`
  return [{ what: 'tdf --version and tdf ls beside node -e 0, by hyperfine', bar: '', measured, holds: null }]
}

export function run(env: Record<string, string>, args: string[]): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
    child.on('exit', code =>
      code === 0 ? resolve(performance.now() - startedAt) : reject(new Error(`${args.join(' ')}: ${code}`)),
    )
  })
}
