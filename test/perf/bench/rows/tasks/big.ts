/** A repository as large as public ones: its submit, that of ten new commits, and the saving of what an agent changed in it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { EventJson } from '../../../../../src/protocol/control.ts'
import { type Home, makeHome, until } from '../../../../support/daemon/home.ts'
import { BIG, changing, commitTen, makeBigRepository } from '../../../../support/daemon/shapes/big.ts'
import { type Watched, watchedCommand } from '../../../../support/machines/watched-command.ts'
import type { Row } from '../../report.ts'
import { median, spread } from '../../stats.ts'

const CHANGED_FILES = 500
const LONG_MS = 900_000
const MEMORY_MB_MAX = 100
const SILENT_MS_MAX = 1_000

interface Round {
  bundleMs: number
  whole: Watched
  some: Watched
  commitMs: number
  salvageMs: number
}

function timed(act: () => void): number {
  const at = performance.now()
  act()
  return performance.now() - at
}

const git = (dir: string, ...args: string[]) => execFileSync('git', args, { cwd: dir })

/** With a daemon that knows nothing. */
async function round(dir: string, at: number): Promise<Round> {
  const home = makeHome()
  try {
    await home.start()
    const bundleMs = timed(() => void git(dir, 'bundle', 'create', '--quiet', path.join(home.dir, 'a.bundle'), 'HEAD'))
    const whole = await submit(home, dir, 'sh', '-c', changing(CHANGED_FILES))
    const salvageMs = await salvageOf(home, whole.out.trim())
    commitTen(dir, `round ${at}`)
    const some = await submit(home, dir, 'true')
    return { bundleMs, whole, some, salvageMs, commitMs: commitOf(dir, home.dir) }
  } finally {
    await home.remove()
  }
}

async function submit(home: Home, dir: string, ...command: string[]): Promise<Watched> {
  const ran = await watchedCommand(home, dir, 'submit', '--', ...command)
  if (ran.code !== 0) throw new Error(ran.err)
  return ran
}

/** The step of it, in which the work of the agent is made a commit, fetched, checked and named. */
async function salvageOf(home: Home, id: string): Promise<number> {
  await until('its work is home', async () => (await home.task(id)).cleanup === 'done', LONG_MS)
  const events = await home.client.call<EventJson[]>({ path: '/events?after=0' })
  const left = events.find(({ taskId, type, data }) => taskId === id && type === 'task.step' && data.from === 'salvage')
  return Number(left?.data.ms)
}

/** The same changes by hand, in a clone. */
function commitOf(dir: string, scratch: string): number {
  const clone = path.join(scratch, 'clone')
  git(scratch, 'clone', '--quiet', dir, clone)
  execFileSync('sh', ['-c', changing(CHANGED_FILES)], { cwd: clone })
  const who = ['-c', 'user.name=you', '-c', 'user.email=you@localhost', '-c', 'gc.auto=0']
  return timed(() => {
    git(clone, 'add', '-A')
    git(clone, ...who, 'commit', '--quiet', '-m', 'changed')
  })
}

export async function bigRows(rounds: number): Promise<Row[]> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-big-'))
  try {
    await makeBigRepository(dir, BIG['130 MB'])
    const all: Round[] = []
    for (let at = 0; at < rounds; at++) all.push(await round(dir, at))
    return rowsOf(all)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function rowsOf(all: readonly Round[]): Row[] {
  const ratios = all.map(({ whole, bundleMs }) => whole.wholeMs / bundleMs)
  const salvages = all.map(({ salvageMs, commitMs }) => salvageMs / commitMs)
  const memoryMb = Math.max(...all.flatMap(({ whole, some }) => [whole.memoryBytes, some.memoryBytes])) / 1e6
  const silentMs = median(all.map(({ whole }) => whole.firstWordMs ?? Number.POSITIVE_INFINITY))
  const newMs = all.map(({ some }) => some.wholeMs)
  return [
    {
      what: 'submit of a 130 MB repository whose commit the daemon does not know',
      bar: `≤ 1.3 × git bundle create; CLI ≤ ${MEMORY_MB_MAX} MB; progress within 1 s`,
      measured: `${spread(ratios, 2)} × ${median(all.map(({ bundleMs }) => bundleMs)).toFixed(0)} ms; ${memoryMb.toFixed(0)} MB; first word after ${silentMs.toFixed(0)} ms`,
      holds: median(ratios) <= 1.3 && memoryMb <= MEMORY_MB_MAX && silentMs <= SILENT_MS_MAX,
    },
    {
      what: 'the same with 10 new commits',
      bar: '≤ 1 s',
      measured: `${spread(newMs)} ms`,
      holds: median(newMs) <= 1_000,
    },
    {
      what: `salvage of ${CHANGED_FILES} changed files in it`,
      bar: '≤ 3 × git add -A && git commit',
      measured: `${spread(salvages, 2)} × ${median(all.map(({ commitMs }) => commitMs)).toFixed(0)} ms`,
      holds: median(salvages) <= 3,
    },
  ]
}
