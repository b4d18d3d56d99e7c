/** Puts news into the outbox, a row for each way that is configured: one that is down never holds up another. */
import type { Config } from '../../src/config/schema.ts'
import { type OutboxKind, post } from '../../src/store/outbox.ts'
import type { Task } from '../../src/task.ts'
import type { Engine } from '../deps.ts'
import type { Transition } from '../transition.ts'
import { noticeOf } from './message.ts'
import { newsOf } from './news.ts'

export const WAYS = ['command', 'webhook', 'ntfy'] as const
export type Way = (typeof WAYS)[number]

export const outboxKind = (way: Way): OutboxKind => `notify-${way}`

/** Inside the write that makes the news. Of one change, one message on each way, however often it is tried. */
export function announce({ store, config }: Engine, before: Task, decided: Transition, now: number): void {
  const event = newsOf(before, decided)
  if (event === null || !config.notify.events.includes(event)) return
  const ways = WAYS.filter(way => isSet(config, way))
  if (ways.length === 0) return
  const { task } = decided
  const notice = noticeOf(task, event, now, config.notify.includeText)
  for (const way of ways) {
    const id = `notify-${way}-${task.id}-${task.attempt}-${before.rev}`
    post(store.sql, { id, kind: outboxKind(way), payload: { ...notice }, dueAt: now })
  }
}

function isSet({ notify }: Config, way: Way): boolean {
  return way === 'command' ? notify.command.length > 0 : notify[way] !== ''
}
