/** A slot falls free while ten thousand tasks wait for one; a look at a thousand schedules. */
import { assign, type NodeCapacity, type PlacementLimits } from '../../../../daemon/placement/place.ts'
import { createQueue } from '../../../../daemon/placement/queue.ts'
import type { Engine } from '../../../../daemon/services.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { plannedSchedule } from '../../../../daemon/sweeps/schedules/requests.ts'
import { schedules } from '../../../../daemon/sweeps/schedules/sweep.ts'
import { defaultConfig } from '../../../../src/config/schema/config.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { scheduleRequest } from '../../../../src/protocol/submit.ts'
import { insertSchedule } from '../../../../src/store/groups/schedules.ts'
import { openStore } from '../../../../src/store/store.ts'
import { makeFolder } from '../load/host.ts'
import type { Row } from '../report.ts'
import { median, rounds, spread } from '../stats.ts'
import { tickUs } from './growth.ts'

const PLACING: PlacementLimits = { config: defaultConfig(), offers: [], machines: 0 }

export async function placementRow(count: number, waiting = 10_000): Promise<Row> {
  const wishes = {
    node: null,
    provider: null,
    size: null,
    location: null,
    credential: null,
    labels: {},
    reserved: null,
  }
  const queue = createQueue()
  for (let number = 0; number < waiting; number++) {
    queue.add({ id: `t${number}`, attempt: 1, priority: number % 3, number, ...wishes })
  }
  let given = 0
  const times = await rounds(count, () => {
    const { reservations } = assign(queue.list(), [aRoom()], PLACING)
    for (const { request: wish } of reservations) queue.remove(wish)
    given += reservations.length
  })
  if (given !== count + 1) throw new Error(`${given} tasks got the slot of ${count + 1} passes`)
  return {
    what: `${waiting} queued tasks, one slot freed`,
    bar: 'one pass, ≤ 20 ms',
    measured: `${spread(times, 2)} ms`,
    holds: median(times) <= 20,
  }
}

export function tickRow(): Row {
  const [ten, hundred] = [tickUs(10_000), tickUs(100_000)]
  return {
    what: 'a round of the loop with 10 000 and 100 000 idle tasks',
    bar: '',
    measured: `${ten.toFixed(2)} and ${hundred.toFixed(2)} µs`,
    holds: null,
  }
}

/** What the sweep of schedules takes from a second of the daemon, when none of them is due. */
export async function scheduleRow(count: number, kept = 1_000): Promise<Row> {
  const folder = makeFolder()
  const world = realWorld()
  const store = openStore(folder.dir, world)
  try {
    const repo = { kind: 'git', url: 'https://example.org/repo.git', ref: null }
    const asked = scheduleRequest.parse({ name: 'n', cron: '@yearly', zone: 'UTC', request: { prompt: 'tidy', repo } })
    await store.commit(() => {
      for (let number = 0; number < kept; number++) {
        insertSchedule(store.sql, plannedSchedule({ ...asked, name: `n${number}` }, world))
      }
    })
    // With nothing due it asks for no more of an engine.
    const engine = { store, world } as Engine
    const look = async () => void (await schedules.run(engine, {} as SweepParts, new AbortController().signal))
    const times = await rounds(count, look)
    return {
      what: `a look at ${kept} schedules, none of them due, once a second`,
      bar: '≤ 2 ms',
      measured: `${spread(times, 2)} ms`,
      holds: median(times) <= 2,
    }
  } finally {
    await store.close()
    folder.remove()
  }
}

const aRoom = (): NodeCapacity => ({
  ...{ name: 'n1', provider: 'static', status: 'ready', size: null, location: null, used: 0, slots: 1 },
  ...{ cpuPercent: null, memoryPercent: null, silentMs: null },
})
