/** Sends what is in the outbox, each way by itself: at least once, ever more slowly, and given up after an hour or so. */
import { backoffMs } from '../../src/core/backoff.ts'
import { delivered, due, type OutboxItem, postpone } from '../../src/store/tables/outbox.ts'
import { recordFailure } from '../reporting/failures.ts'
import { CHANNELS, type Channel, outboxKind } from '../reporting/notices/announce.ts'
import { DELIVER, type StoredNotice, withFailure } from '../reporting/notices/deliver.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './run.ts'

const BATCH = 20
const TRIES_MAX = 15
const BACKOFF = { baseMs: 1_000, maxMs: 10 * 60_000 }

export const notify: readonly Sweep[] = CHANNELS.map(channel => ({
  name: `notify-${channel}`,
  everyMs: () => 500,
  async run(engine, _parts, signal) {
    const report = { told: 0, failed: 0 }
    for (const item of due(engine.store.sql, outboxKind(channel), engine.world.clock.now(), BATCH)) {
      // What the outbox holds was written by `announce`.
      const notice = await withFailure(engine, item.payload as unknown as StoredNotice, signal)
      const failure = await DELIVER[channel](engine, item.id, notice, signal)
      if (signal.aborted) return report
      await settle(engine, channel, item, failure)
      report[failure === null ? 'told' : 'failed'] += 1
      // A receiver that does not take one message now would not take the next.
      if (failure !== null) return report
    }
    return report
  },
}))

async function settle(engine: Engine, channel: Channel, item: OutboxItem, failure: string | null): Promise<void> {
  const { store, world, log } = engine
  const now = world.clock.now()
  const taskId = String(item.payload.taskId)
  const isLast = item.tries + 1 >= TRIES_MAX
  if (failure !== null) log.warn({ task: taskId, way: channel, tries: item.tries + 1, isLast }, `not told: ${failure}`)
  await store.commit(() => {
    if (failure !== null && !isLast) {
      return postpone(store.sql, item.id, now + backoffMs(item.tries + 1, BACKOFF))
    }
    delivered(store.sql, item.id)
    if (failure === null) return
    const message = `the ${channel} of [notify] was tried ${TRIES_MAX} times for task ${taskId} and given up: ${failure}`
    recordFailure(engine, {
      id: `err-${item.id}`,
      level: 'warn',
      source: 'notify',
      taskId,
      code: 'NOTIFY_FAILED',
      message,
    })
  })
}
