/** Puts news into the outbox, a row for each way that is configured: one that is down never holds up another. */
import type { NewsEvent } from '../../src/config/notify-table.ts'
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
export function announce(engine: Telling, before: Task, decided: Transition, now: number): void {
  const event = newsOf(before, decided)
  if (event !== null) tell(engine, decided.task, { event, id: String(before.rev), now })
}

/** Inside a write: a push was given up, or refused. The task is as good as before. */
export function announcePush(engine: Telling, task: Task, why: string, now: number): void {
  tell(engine, task, { event: 'push-failed', id: `push-${now}`, now, error: { code: 'PUSH_FAILED', message: why } })
}

type Telling = Pick<Engine, 'store' | 'config'>

interface News {
  event: NewsEvent
  /** Names it among those of the attempt. */
  id: string
  now: number
  error?: Pick<NonNullable<Task['error']>, 'code' | 'message'>
}

function tell({ store, config }: Telling, task: Task, { event, id, now, error }: News): void {
  const ways = config.notify.events.includes(event) ? WAYS.filter(one => isSet(config, one)) : []
  if (ways.length === 0) return
  const about = error ? { ...task, error: { ...error, hint: '', step: null, class: 'permanent' as const } } : task
  const notice = noticeOf(about, event, now, config.notify.includeText)
  for (const way of ways) {
    const name = `notify-${way}-${task.id}-${task.attempt}-${id}`
    post(store.sql, { id: name, kind: outboxKind(way), payload: { ...notice }, dueAt: now })
  }
}

function isSet({ notify }: Config, way: Way): boolean {
  return way === 'command' ? notify.command.length > 0 : notify[way] !== ''
}
