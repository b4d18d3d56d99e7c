/** Puts notices into the outbox, a row for each configured channel: one that is down never holds up another. */

import type { Config } from '../../../src/config/schema/config.ts'
import type { NoticeEvent } from '../../../src/config/schema/outward.ts'
import { isTerminal, type Task } from '../../../src/core/task.ts'
import { hashToken, replyCode } from '../../../src/platform/tokens.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { addReplyCodes, type OutboxKind, post } from '../../../src/store/tables/outbox.ts'
import { aboutHash } from '../../engine/effects/reply.ts'
import { askingOf, type Verb } from '../../engine/rules/asking.ts'
import type { Transition } from '../../engine/rules/transition.ts'
import { raisedBefore, restingFor, type Standing } from '../../placement/budgets.ts'
import type { Engine } from '../../services.ts'
import { budgetNotice, mayAllow, noticeOf, scheduleNotice } from './message.ts'

export const CHANNELS = ['command', 'webhook', 'ntfy'] as const
export type Channel = (typeof CHANNELS)[number]

export const outboxKind = (channel: Channel): OutboxKind => `notify-${channel}`

/** Inside the write of the change. One change is one message on each channel, however often it is tried. */
export function announce(engine: AnnouncingEngine, before: Task, decided: Transition, now: number): void {
  const event = noticeEventOf(before, decided)
  if (event !== null) enqueueNotice(engine, decided.task, { event, id: String(before.rev), now })
}

/** Inside a write: a push was given up, or refused. The task is as good as before. */
export function announcePush(engine: AnnouncingEngine, task: Task, why: string, now: number): void {
  const error = { code: 'PUSH_FAILED', message: why } as const
  enqueueNotice(engine, task, { event: 'push-failed', id: `push-${now}`, now, error })
}

/** Inside a write: the watch of its pull request has ended, and what is left is for a person. */
export function announceWatch(engine: AnnouncingEngine, task: Task, why: string, now: number): void {
  const error = { code: 'PR_NOT_GREEN', message: why } as const
  enqueueNotice(engine, task, { event: 'needs-you', id: `pr-${now}`, now, error })
}

/** Inside a write: a schedule is paused since it has failed too often. `taskId` is of the last task that it made. */
export function announceSchedule(
  engine: AnnouncingEngine,
  schedule: Named,
  taskId: string | undefined,
  now: number,
): void {
  const { store, config } = engine
  const task = taskId === undefined ? undefined : readNewestAttempt(store.sql, taskId)
  const notice = scheduleNotice(schedule.name, task, now, config.notify.includeText)
  for (const channel of channelsFor(config, notice.event)) {
    const id = `notify-${channel}-schedule-${schedule.id}-${now}`
    post(store.sql, { id, kind: outboxKind(channel), payload: { ...notice }, dueAt: now })
  }
}

/** Inside a write: a budget is nearly used, or used. */
export function announceBudget(engine: AnnouncingEngine, standing: Standing, now: number): void {
  const { store, config } = engine
  const notice = budgetNotice(standing, restingFor(engine, standing), now, config)
  for (const channel of channelsFor(config, notice.event)) {
    const name = `${standing.window}-${standing.label ?? ''}-${standing.from}-${notice.event}-${now}`
    post(store.sql, {
      id: `notify-${channel}-budget-${name}`,
      kind: outboxKind(channel),
      payload: { ...notice },
      dueAt: now,
    })
  }
}

interface Named {
  id: string
  name: string
}

type AnnouncingEngine = Pick<Engine, 'store' | 'config' | 'install'>

interface Notice {
  event: NoticeEvent
  /** Names it among those of the attempt. */
  id: string
  now: number
  error?: Pick<NonNullable<Task['error']>, 'code' | 'message'>
}

function enqueueNotice(engine: AnnouncingEngine, task: Task, { event, id, now, error }: Notice): void {
  const { store, config } = engine
  const channels = channelsFor(config, event)
  if (channels.length === 0) return
  const about = error ? { ...task, error: { ...error, hint: '', step: null, class: 'permanent' as const } } : task
  const notice = noticeOf(about, event, now, config.notify.includeText)
  for (const channel of channels) {
    const name = `notify-${channel}-${task.id}-${task.attempt}-${id}`
    const answers = channel === 'ntfy' ? addAnswers(engine, task, name, now) : []
    const payload = answers.length > 0 ? { ...notice, answers } : { ...notice }
    post(store.sql, { id: name, kind: outboxKind(channel), payload, dueAt: now })
  }
}

/** Inside a write: the verbs that the notice may be answered by. A code for each is known from now on, by its hash. */
function addAnswers({ store, config, install }: AnnouncingEngine, task: Task, notice: string, now: number): Verb[] {
  const asking = config.notify.ntfyReplies === '' ? null : askingOf(task)
  if (asking === null) return []
  const isRaised = task.facts.paused === 'window' && raisedBefore({ store, config }, task.spec.labels, now) !== null
  const mayBe = !isRaised && mayAllow(task, config.notify.includeText)
  const verbs = asking.verbs.filter(verb => verb !== 'allow' || mayBe)
  const expiresAt = Math.min(now + REPLY_MS_MAX, asking.until ?? Number.MAX_SAFE_INTEGER)
  const about = aboutHash(asking.about)
  const { id: taskId, attempt } = task
  const codes = verbs.map(verb => {
    const hash = hashToken(replyCode(install.key, notice, verb))
    return { hash, notice, taskId, attempt, about, verb, expiresAt }
  })
  addReplyCodes(store.sql, codes, now)
  return verbs
}

/** How long a notice may be answered, in ms. */
const REPLY_MS_MAX = 24 * 3_600_000

function channelsFor(config: Config, event: NoticeEvent): readonly Channel[] {
  return config.notify.events.includes(event) ? CHANNELS.filter(one => isSet(config, one)) : []
}

function isSet({ notify }: Config, channel: Channel): boolean {
  return channel === 'command' ? notify.command.length > 0 : notify[channel] !== ''
}

const ENDS = { completed: 'done', failed: 'failed', cancelled: 'cancelled' } as const

/**
 * What a change that is being saved is worth announcing: a task ended, rests until a known time, or needs a person. An end
 * that opens the next attempt is none yet.
 */
export function noticeEventOf(before: Task, { task, writes }: Pick<Transition, 'task' | 'writes'>): NoticeEvent | null {
  if (isTerminal(task.status) && !isTerminal(before.status)) {
    return writes.some(({ kind }) => kind === 'next_attempt') ? null : ENDS[task.status as keyof typeof ENDS]
  }
  // Each change that blocks it is another one: a predecessor failed, or two of them cannot be merged.
  if (task.facts.blocked && task.facts.blocked !== before.facts.blocked) return 'needs-you'
  if (task.status === 'parked' && before.status !== 'parked') return 'parked'
  return task.step === 'awaiting_followup' && before.step !== 'awaiting_followup' ? 'needs-you' : null
}
