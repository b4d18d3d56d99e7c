/** A real task on the local provider: from `tdf submit` to its end, phase by phase. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { EventJson } from '../../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf } from '../../../../support/daemon/home.ts'
import type { Row } from '../../report.ts'
import { median, spread } from '../../stats.ts'

const wall = () => performance.timeOrigin + performance.now()

export interface LocalRun {
  /** From the start of the command to the first instruction of the agent. */
  startedMs: number
  /** From the start of the command to the end of the task. */
  wholeMs: number
  /** Each step's share, by name; `submit` is the command before its task was there. */
  steps: Record<string, number>
  /** `node -e 0`, in turn with it. */
  nodeMs: number
}

/** Above the time of the agent itself. */
const SMALL_BAR = 12

export async function localRuns(count: number): Promise<{ runs: LocalRun[]; cloneMs: number[] }> {
  const home = makeHome('[nodes]\nmax_workspaces = 4\n')
  const repository = makeRepository()
  const runs: LocalRun[] = []
  const cloneMs: number[] = []
  try {
    await home.start()
    // The first two start the node and fill caches.
    for (let round = -2; round < count; round++) {
      const clone = timeClone(repository.dir)
      const run = await once(home, repository.dir)
      if (round < 0) continue
      cloneMs.push(clone)
      runs.push(run)
    }
    return { runs, cloneMs }
  } finally {
    await home.remove()
    repository.remove()
  }
}

async function once(home: Home, repository: string): Promise<LocalRun> {
  const stamp = path.join(home.dir, 'stamp')
  rmSync(stamp, { force: true })
  const script = `date +%s%N > ${stamp}; echo done > result.txt`
  const at = wall()
  const { code, out, err } = await tdf(home, 'submit', '--repo', repository, '-q', '--wait', '--', 'sh', '-c', script)
  if (code !== 0) throw new Error(err)
  const wholeMs = wall() - at
  const [id = ''] = out.trim().split('\n')
  const events = await home.client.call<EventJson[]>({ path: '/events?after=0' })
  const moves = events.filter(event => event.taskId === id && event.type === 'task.step')
  const steps: Record<string, number> = { submit: Date.parse(moves[0]?.at ?? '') - at }
  for (const { data } of moves) {
    if (typeof data.from === 'string') steps[data.from] = Number(data.ms)
  }
  return { startedMs: Number(readFileSync(stamp, 'utf8')) / 1e6 - at, wholeMs, steps, nodeMs: timeNode() }
}

function timeNode(): number {
  const at = performance.now()
  execFileSync(process.execPath, ['-e', '0'])
  return performance.now() - at
}

function timeClone(repository: string): number {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-clone-'))
  const at = performance.now()
  execFileSync('git', ['clone', '--quiet', repository, path.join(dir, 'clone')])
  const ms = performance.now() - at
  rmSync(dir, { recursive: true, force: true })
  return ms
}

export async function localRows(count: number): Promise<Row[]> {
  const { runs, cloneMs } = await localRuns(count)
  const beyond = runs.map((run, index) => run.startedMs - (cloneMs[index] ?? 0))
  const names = Object.keys(runs[0]?.steps ?? {})
  const phases = names.map(name => `${name} ${median(runs.map(run => run.steps[name] ?? 0)).toFixed(0)}`)
  return [
    {
      what: 'warm local node: submit → agent process, small repository',
      bar: '≤ 500 ms beyond the clone',
      measured: `${spread(beyond)} ms beyond ${median(cloneMs).toFixed(0)} ms of git clone`,
      holds: median(beyond) <= 500,
    },
    smallRow(runs),
    {
      what: 'the same task to its end, ms by phase',
      bar: '',
      measured: `${spread(runs.map(run => run.wholeMs))} in all: ${phases.join(', ')}`,
      holds: null,
    },
  ]
}

function smallRow(runs: readonly LocalRun[]): Row {
  const times = runs.map(({ wholeMs, steps }) => wholeMs - (steps.running ?? 0))
  const bare = runs.map(({ nodeMs }) => nodeMs)
  const ratio = median(times) / median(bare)
  return {
    what: "small task on the warm local node, submit to end, without the agent's own time",
    bar: `≤ ${SMALL_BAR} × node -e 0`,
    measured: `${ratio.toFixed(1)} ×: ${spread(times)} ms, node ${spread(bare)} ms`,
    holds: ratio <= SMALL_BAR,
  }
}
