/** Gauges: read only when the metrics are asked for (counts, delays, sizes). */
import process from 'node:process'
import { VERSION } from '../../src/platform/version.ts'
import { databaseBytes } from '../../src/store/sqlite/backup.ts'
import { countNodes } from '../../src/store/tables/nodes.ts'
import { countByStatus, oldestQueuedAt } from '../../src/store/tables/tasks.ts'
import type { Disk } from '../host/disk.ts'
import type { Engine } from '../services.ts'
import type { Health } from './health.ts'
import type { Metrics } from './metric-registry.ts'

type Counts = Readonly<Record<string, number>>

export function registerGauges(engine: Engine, health: Health, disk: Disk): void {
  const { store, loop, watchers, world, metrics } = engine
  const { registry } = metrics
  const by = (label: string, counts: Counts) =>
    Object.entries(counts).map(([name, count]) => [{ [label]: name }, count] as const)
  const one = (value: number) => [[{}, value]] as const

  registry.gauge('tdf_tasks', 'Tasks by status.', () => by('state', countByStatus(store.sql)))
  registry.gauge('tdf_nodes', 'Nodes by status.', () => by('state', countNodes(store.sql)))
  registry.gauge('tdf_queue_oldest_seconds', 'How long the oldest task that waits for a slot has waited.', () => {
    const at = oldestQueuedAt(store.sql)
    return one(at === null ? 0 : Math.max(world.clock.now() - at, 0) / 1_000)
  })
  registry.gauge('tdf_scheduler_lag_seconds', 'How late the last round was.', () => one(loop.lagMs() / 1_000))
  registry.gauge('tdf_event_loop_delay_seconds', '99 of 100 turns came less late than this.', () =>
    one(health.loopDelayMs() / 1_000),
  )
  registry.gauge('tdf_sse_clients', 'Streams of events that are open.', () => one(watchers.count()))
  registry.gauge('tdf_db_size_bytes', 'Size of the database.', () => one(databaseBytes(store.sql)))
  registry.gauge('tdf_disk_free_bytes', "Room on the daemon's disk.", () => one(disk.freeBytes()))
  registry.gauge('tdf_resident_memory_bytes', 'Memory of the daemon.', () => one(process.memoryUsage.rss()))
  registry.gauge('tdf_build_info', 'Always 1; the version is in its label.', () => [[{ version: VERSION }, 1]])
}

/** Of a daemon among those that share their state. */
export function registerRole(registry: Metrics, role: 'serving' | 'standby', { epoch }: { epoch(): number }): void {
  registry.gauge('tdf_serving', '1 when this daemon serves, 0 when it stands by.', () => [
    [{}, role === 'serving' ? 1 : 0],
  ])
  registry.gauge('tdf_epoch', 'How often the installation was taken over.', () => [[{}, epoch()]])
}
