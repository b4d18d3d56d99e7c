/** Sends what is in the outbox, each way by itself: at least once, ever more slowly, and given up after an hour or so. */
import { delivered, due, type OutboxItem, post, postpone } from '../../src/store/tables/outbox.ts'
import { CHANNELS, type Channel, outboxKind } from '../reporting/announce.ts'
import { DELIVER } from '../reporting/deliver.ts'
import type { NoticeJson } from '../reporting/message.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './sweep.ts'

const BATCH = 20
const TRIES_MAX = 15
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 10 * 60_000

export const notify: readonly Sweep[] = CHANNELS.map(channel => ({
  name: `notify-${channel}`,
  everyMs: () => 500,
  async run(engine, _parts, signal) {
    const report = { told: 0, failed: 0 }
    for (const item of due(engine.store.sql, outboxKind(channel), engine.world.clock.now(), BATCH)) {
      // What the outbox holds was written by `announce`.
      const failure = await DELIVER[channel](engine, item.payload as unknown as NoticeJson, signal)
      if (signal.aborted) return report
      await settle(engine, channel, item, failure)
      report[failure === null ? 'told' : 'failed'] += 1
      // Whoever does not take one message now would not take the next.
      if (failure !== null) return report
    }
    return report
  },
}))

async function settle(
  { store, world, log }: Engine,
  channel: Channel,
  item: OutboxItem,
  failure: string | null,
): Promise<void> {
  const now = world.clock.now()
  const taskId = String(item.payload.taskId)
  const isLast = item.tries + 1 >= TRIES_MAX
  if (failure !== null) log.warn({ task: taskId, way: channel, tries: item.tries + 1, isLast }, `not told: ${failure}`)
  await store.commit(() => {
    if (failure !== null && !isLast) {
      return postpone(store.sql, item.id, now + Math.min(RETRY_MS_MIN * 2 ** item.tries, RETRY_MS_MAX))
    }
    delivered(store.sql, item.id)
    if (failure === null) return
    const message = `the ${channel} of [notify] was tried ${TRIES_MAX} times for task ${taskId} and given up: ${failure}`
    const about = { at: now, level: 'warn', source: 'notify', taskId, step: null, code: 'NOTIFY_FAILED', message }
    post(store.sql, { id: `err-${item.id}`, kind: 'error', payload: about, dueAt: now })
  })
}
