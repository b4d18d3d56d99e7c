/** What lists cost where a hundred thousand ended tasks are kept: the command line beside Node alone, and the daemon's answers. */
import path from 'node:path'
import { type Home, makeHome } from '../../../support/daemon/home.ts'
import { layDownKeptTasks } from '../../../support/daemon/kept-tasks.ts'
import type { Row } from '../report.ts'
import { median, spread } from '../stats.ts'
import { PROGRAM, run } from './start.ts'

const KEPT = 100_000
const BAR = 2.5
const ANSWER_MS_MAX = 10

export async function keptRows(count: number): Promise<Row[]> {
  const home = makeHome()
  layDownKeptTasks(path.join(home.dir, 'state'), KEPT, Date.now())
  await home.start()
  try {
    return [await commandRow(home, count), await answerRow(home, count)]
  } finally {
    await home.remove()
  }
}

async function commandRow({ env }: Home, count: number): Promise<Row> {
  const bare: number[] = []
  const [ls, show]: [number[], number[]] = [[], []]
  for (let round = -2; round < count; round++) {
    const [one, two, three] = [
      await run(env, ['-e', '0']),
      await run(env, [PROGRAM, 'ls']),
      await run(env, [PROGRAM, 'show', `kept-${KEPT / 2}`]),
    ]
    if (round < 0) continue
    bare.push(one)
    ls.push(two)
    show.push(three)
  }
  const ratios = [ls, show].map(times => median(times) / median(bare))
  return {
    what: `tdf ls and tdf show with ${KEPT} ended tasks kept`,
    bar: `≤ ${BAR} × node -e 0`,
    measured: `${ratios.map(ratio => `${ratio.toFixed(2)} ×`).join(' and ')}: ${spread(ls)} and ${spread(show)} ms, node ${spread(bare)} ms`,
    holds: ratios.every(ratio => ratio <= BAR),
  }
}

/** The short list, the first screen of the dashboard and the counts: how long the daemon takes for each. */
async function answerRow({ client }: Home, count: number): Promise<Row> {
  const paths = ['/tasks', '/snapshot', '/status']
  const times = new Map(paths.map((path): [string, number[]] => [path, []]))
  for (let round = -2; round < count; round++) {
    for (const path of paths) {
      const startedAt = performance.now()
      await client.raw({ path })
      if (round >= 0) times.get(path)?.push(performance.now() - startedAt)
    }
  }
  const all = [...times.values()]
  return {
    what: `the daemon's answers for ls, the first screen and the counts, ${KEPT} ended tasks kept`,
    bar: `≤ ${ANSWER_MS_MAX} ms`,
    measured: `${all.map(spread).join(', ')} ms`,
    holds: all.every(each => median(each) <= ANSWER_MS_MAX),
  }
}
