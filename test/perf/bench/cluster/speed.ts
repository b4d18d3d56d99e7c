/** What the state on PostgreSQL costs beside the embedded file: tasks, processor time, callbacks, commits. */
import { realWorld } from '../../../../src/platform/world.ts'
import { openReplica } from '../../../../src/store/ledger/replica.ts'
import { openLedgerStore } from '../../../../src/store/ledger/store.ts'
import { openStore, type Store } from '../../../../src/store/store.ts'
import { writeMeta } from '../../../../src/store/tables/meta.ts'
import { joinMember } from '../host/shared.ts'
import { type Host, makeFolder } from '../load/host.ts'
import { callAtRate, ids, park, runToEnd } from '../load/workload.ts'
import type { Row } from '../report.ts'
import { median, quantile, rounds, spread } from '../stats.ts'
import type { Pair } from './pair.ts'

const WARM_UP = 500
const GROUP = 256

interface Run {
  tasksPerSecond: number
  cpuMsPerTask: number
}

type Kind = 'file' | 'shared'

async function withHost<T>(pair: Pair, kind: Kind, use: (host: Host) => Promise<T>): Promise<T> {
  const host = await pair.host(kind === 'file' ? null : await pair.freshUrl(), 'one')
  try {
    await serving(host)
    return await use(host)
  } finally {
    await pair.endHosts()
  }
}

const SERVE_MS_MAX = 120_000

/** Resolves with the ms that it took. */
export async function serving(host: Host): Promise<number> {
  const begun = performance.now()
  for (;;) {
    const ms = performance.now() - begun
    if ((await host.look().catch(() => ({ serves: false }))).serves) return ms
    if (ms > SERVE_MS_MAX) throw new Error('the host does not serve')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function throughput(pair: Pair, kind: Kind, tasks: number): Promise<Run> {
  return withHost(pair, kind, async host => {
    await runToEnd(host, ids(WARM_UP, 'w'))
    const cpuMs = () => host.cpuMs() + (kind === 'shared' ? pair.cpuMs() : 0)
    const before = cpuMs()
    const ms = await runToEnd(host, ids(tasks))
    return { tasksPerSecond: (tasks / ms) * 1000, cpuMsPerTask: (cpuMs() - before) / tasks }
  })
}

export async function throughputRows(pair: Pair, count: number, tasks: number): Promise<Row[]> {
  const [file, ledger]: [Run[], Run[]] = [[], []]
  for (let round = 0; round < count; round++) {
    file.push(await throughput(pair, 'file', tasks))
    ledger.push(await throughput(pair, 'shared', tasks))
  }
  const ratios = (of: (run: Run) => number) => ledger.map((run, at) => of(run) / of(file[at] ?? run))
  const faster = ratios(({ tasksPerSecond }) => tasksPerSecond)
  const dearer = ratios(({ cpuMsPerTask }) => cpuMsPerTask)
  const all = (runs: Run[], of: (run: Run) => number, digits = 0) => spread(runs.map(of), digits)
  return [
    {
      what: `durable tasks on PostgreSQL with a synchronous standby (${tasks} tasks)`,
      bar: '≥ 0.4 × embedded',
      measured: `${spread(faster, 2)} ×: ${all(ledger, run => run.tasksPerSecond)} tasks/s, embedded ${all(file, run => run.tasksPerSecond)}`,
      holds: median(faster) >= 0.4,
    },
    {
      what: 'processor time for each of them, engine and both PostgreSQL',
      bar: '≤ 2.5 × embedded',
      measured: `${spread(dearer, 2)} ×: ${all(ledger, run => run.cpuMsPerTask, 2)} ms, embedded ${all(file, run => run.cpuMsPerTask, 2)} ms`,
      holds: median(dearer) <= 2.5,
    },
  ]
}

export async function callbackRow(pair: Pair, count: number, seconds: number): Promise<Row> {
  const latencies = (kind: Kind) =>
    withHost(pair, kind, async host => {
      const warm = ids(1_000, 'w')
      const called = ids(50 * seconds)
      await park(host, [...warm, ...called, ...ids(1_000, 'waits')])
      await callAtRate(host, warm, 200)
      return callAtRate(host, called, 50)
    })
  const [file, ledger]: [number[][], number[][]] = [[], []]
  for (let round = 0; round < count; round++) {
    file.push(await latencies('file'))
    ledger.push(await latencies('shared'))
  }
  const text = (ms: number[]) => `p50 ${quantile(ms, 0.5).toFixed(1)}, p99 ${quantile(ms, 0.99).toFixed(1)} ms`
  const ratios = ledger.map((round, at) => quantile(round, 0.99) / quantile(file[at] ?? [], 0.99))
  return {
    what: 'callback sent → next body on PostgreSQL, 50/s, 1 000 parked',
    bar: 'p99 ≤ 4 × embedded',
    measured: `${spread(ratios, 2)} ×: ${text(ledger.flat())}; embedded ${text(file.flat())}`,
    holds: median(ratios) <= 4,
  }
}

/** One commit after the other, and a group at once; each becomes one write of the ledger. */
export async function commitRow(pair: Pair, count: number): Promise<Row> {
  const world = realWorld()
  const folder = makeFolder()
  const member = await joinMember(await pair.freshUrl(), 'bench', world)
  const { ledger, replica } = await member.takeOver(openReplica)
  const shared = await openLedgerStore(ledger, world, replica)
  const file = openStore(folder.dir, world)
  try {
    const [one, other] = [await commits(shared, count), await commits(file, count)]
    return {
      what: 'a store commit on PostgreSQL',
      bar: '',
      measured: `${spread(one.alone, 2)} ms alone, ${spread(one.grouped, 1)} ms for ${GROUP} in a group; embedded ${spread(other.alone, 2)} and ${spread(other.grouped, 1)} ms`,
      holds: null,
    }
  } finally {
    await shared.close()
    await member.close()
    await file.close()
    folder.remove()
  }
}

async function commits(store: Store, count: number): Promise<{ alone: number[]; grouped: number[] }> {
  const write = (index: number) => store.commit(() => writeMeta(store.sql, `k${index}`, `${performance.now()}`))
  const alone = await rounds(4 * count, () => write(0))
  const grouped = await rounds(count, async () => {
    await Promise.all(Array.from({ length: GROUP }, (_, index) => write(index)))
  })
  return { alone, grouped }
}
