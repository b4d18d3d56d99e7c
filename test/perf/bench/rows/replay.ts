/** The limit of what the engine writes: the statements of one run, in their groups, given to libsql without anything else. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'libsql'
import { MIGRATIONS } from '../../../../src/store/sqlite/migrations.ts'
import { PRAGMAS } from '../../../../src/store/sqlite/open.ts'
import type { Recorded } from '../host/recorder.ts'
import { makeFolder, startHost } from '../load/host.ts'
import { ids, runToEnd } from '../load/workload.ts'
import type { Row } from '../report.ts'
import { median, spread } from '../stats.ts'
import { type Run, throughput } from './throughput.ts'

const WRITTEN_MS_MAX = 10_000

/** A run of the engine under the same load, as its statements from the empty folder on. */
async function record(tasks: number): Promise<Recorded[]> {
  const folder = makeFolder()
  const file = path.join(folder.dir, 'statements')
  const host = await startHost('tdf', folder.dir, { RECORD_FILE: file })
  try {
    await runToEnd(host, ids(tasks))
    process.kill(host.pid, 'SIGTERM')
    const until = performance.now() + WRITTEN_MS_MAX
    while (!existsSync(file) && performance.now() < until) await pause(20)
    await host.kill()
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => JSON.parse(line))
  } finally {
    folder.remove()
  }
}

/** Tasks a second and processor time of each, from the group of the first task on, in a database of our schema. */
function replay(recorded: readonly Recorded[], tasks: number): Run {
  const folder = makeFolder()
  const database = new Database(path.join(folder.dir, 'tdf.db'))
  database.exec(PRAGMAS)
  for (const migration of MIGRATIONS) database.exec(migration)
  const prepared = new Map<string, Database.Statement>()
  const apply = ([kind, sql, values]: Recorded) => {
    if (kind === 'exec') return void database.exec(sql)
    let statement = prepared.get(sql)
    if (!statement) {
      statement = database.prepare(sql)
      if (statement.reader) statement.raw(true)
      prepared.set(sql, statement)
    }
    statement[kind](values)
  }
  const task = recorded.findIndex(([, sql]) => sql.startsWith('insert into tasks'))
  const first = recorded.slice(0, task).findLastIndex(([, sql]) => sql.startsWith('begin'))
  try {
    const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
    for (const entry of recorded.slice(first)) apply(entry)
    const ms = performance.now() - startedAt
    const { user, system } = process.cpuUsage(cpu)
    return { tasksPerSecond: (tasks / ms) * 1000, cpuMsPerTask: (user + system) / 1000 / tasks }
  } finally {
    database.close()
    folder.remove()
  }
}

/** Beside the engine and the bare loop in the same minute. */
export async function replayRow(rounds: number, tasks: number): Promise<Row> {
  const recorded = await record(tasks)
  const runs: { limit: Run; tdf: Run; bare: Run }[] = []
  for (let round = 0; round < rounds; round++) {
    runs.push({
      limit: replay(recorded, tasks),
      tdf: await throughput('tdf', tasks),
      bare: await throughput('bare', tasks),
    })
  }
  const speed = (of: keyof (typeof runs)[number]) => runs.map(run => run[of].tasksPerSecond)
  const ratio = (one: number[], other: number[]) =>
    median(one.map((value, index) => value / (other[index] ?? Number.NaN))).toFixed(2)
  const cpu = runs.map(({ limit }) => limit.cpuMsPerTask)
  return {
    what: "the engine's statements in their groups, given to libsql alone",
    bar: '',
    measured:
      `${spread(speed('limit'))} tasks/s, ${spread(cpu, 2)} ms each: ${ratio(speed('limit'), speed('bare'))} × bare ` +
      `without HTTP or a rule; the engine reaches ${ratio(speed('tdf'), speed('limit'))} × of it`,
    holds: null,
  }
}
