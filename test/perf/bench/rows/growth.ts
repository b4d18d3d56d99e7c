/** What a hundred thousand waiting tasks cost: memory, start, and a round of the loop. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { createLoop } from '../../../../daemon/engine/loop.ts'
import { silentLog } from '../../../../src/platform/log.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { openStore } from '../../../../src/store/store.ts'
import { insertAttempt } from '../../../../src/store/tables/attempts.ts'
import { insertTask } from '../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../support/builders.ts'
import type { Point } from '../chart.ts'
import { WAITING_FOR, WAITING_STEP } from '../host/journey.ts'
import { makeFolder, startHost } from '../load/host.ts'
import { ids } from '../load/workload.ts'
import type { Row } from '../report.ts'

const SIZES = [1_000, 10_000, 30_000, 100_000]
const DAY_MS = 86_400_000
const world = realWorld()

export async function growthPoints(sizes: readonly number[] = SIZES): Promise<Point[]> {
  const points: Point[] = []
  for (const tasks of sizes) points.push(await measure(tasks))
  return points
}

export function growthRow(points: readonly Point[]): Row {
  const first = points[0]
  const last = points.at(-1)
  const perTask = first && last ? ((last.rssMiB - first.rssMiB) * 1024) / (last.tasks - first.tasks) : Number.NaN
  const list = (of: (point: Point) => string) => points.map(of).join(', ')
  return {
    what: `${points.map(({ tasks }) => tasks / 1000).join(', ')} thousand tasks that wait`,
    bar: 'linear or better',
    measured:
      `start to first answer ${list(point => point.restartMs.toFixed(0))} ms; ` +
      `memory ${list(point => point.rssMiB.toFixed(0))} MiB (${perTask.toFixed(2)} KiB a task); ` +
      `idle ${list(point => point.cpuPercent.toFixed(2))} % of a core; a round of the loop ${list(point => point.tickUs.toFixed(1))} µs`,
    holds: first && last ? last.restartMs / first.restartMs <= (last.tasks / first.tasks) * 1.2 : null,
  }
}

async function measure(tasks: number): Promise<Point> {
  const folder = makeFolder()
  // In a process of its own: a closed libsql connection keeps its lock until it is collected.
  execFileSync(process.execPath, [process.argv[1] ?? '', '--fill', path.join(folder.dir, 'data'), String(tasks)])
  const host = await startHost('tdf', folder.dir)
  try {
    await pause(2_000)
    const cpu = host.cpuMs()
    await pause(5_000)
    return {
      tasks,
      rssMiB: host.rssBytes() / 2 ** 20,
      cpuPercent: (host.cpuMs() - cpu) / 50,
      restartMs: host.readyMs,
      tickUs: tickUs(tasks),
    }
  } finally {
    await host.kill()
    folder.remove()
  }
}

/** Writes tasks that wait for their callback, as the engine itself would have left them. */
export async function fill(stateDir: string, tasks: number): Promise<void> {
  mkdirSync(stateDir, { recursive: true })
  const store = openStore(stateDir, world)
  const now = world.clock.now()
  const about = { idempotencyKey: null, idempotencyHash: null, createdAt: now }
  const state = { status: 'in_progress', step: WAITING_STEP, waitingFor: WAITING_FOR, wakeAt: now + DAY_MS } as const
  const writes = ids(tasks).map(id =>
    store.commit(() => {
      insertTask(store.sql, { id, spec: aSpec(), ...about })
      insertAttempt(store.sql, aTask({ id, ...state, createdAt: now }))
    }),
  )
  await Promise.all(writes)
  store.close()
}

/** One round of a loop with so many idle subjects, in µs. */
export function tickUs(subjects: number): number {
  const loop = createLoop({ world, log: silentLog, run: () => Promise.resolve(), onGap: () => Promise.resolve() })
  const at = world.clock.now() + DAY_MS
  for (const id of ids(subjects)) loop.schedule(`task:${id}/1`, at + Math.floor(world.random.float() * DAY_MS))
  const times: number[] = []
  for (let batch = 0; batch < 20; batch++) {
    const startedAt = performance.now()
    for (let round = 0; round < 1_000; round++) loop.tick()
    times.push(performance.now() - startedAt)
  }
  return Math.min(...times)
}
