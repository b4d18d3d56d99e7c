/** How long the command line takes beside Node alone, in turn; and the size of what it loads. */
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { makeHome } from '../../support/home.ts'
import type { Row } from '../report.ts'
import { median, spread } from '../stats.ts'

const PROGRAM = path.resolve('bin/tdf')

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
    ]
  } finally {
    await home.remove()
  }
}

function run(env: Record<string, string>, args: string[]): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
    child.on('exit', code =>
      code === 0 ? resolve(performance.now() - startedAt) : reject(new Error(`${args.join(' ')}: ${code}`)),
    )
  })
}
