/**
 * A message about a task. Without `include_text` it holds names, states and numbers of ours and nothing that a person
 * or an agent wrote: it may go through servers that are not yours.
 */

import type { Config } from '../../../src/config/schema/config.ts'
import type { NoticeEvent } from '../../../src/config/schema/outward.ts'
import { formatDurationShort } from '../../../src/core/duration.ts'
import { isTerminal, type Status, type Task, type Verdict } from '../../../src/core/task.ts'
import { budgetText } from '../../../src/text/progress/budgets.ts'
import { questionLine, questionText } from '../../../src/text/waiting.ts'
import { iso } from '../../api/tasks/json.ts'
import type { Standing } from '../../placement/budgets.ts'

export interface NoticeJson {
  schema: 'tdf.notice.v1'
  event: NoticeEvent
  at: string | null
  /** Empty where it is about a schedule that could make no task. */
  taskId: string
  attempt: number
  status: Status
  verdict: Verdict | null
  agent: string
  node: string | null
  startedAt: string | null
  completedAt: string | null
  parkedUntil: string | null
  errorCode: string | null
  /** The name of the schedule that made it. */
  schedule: string | null
  /** Why a task is parked for its cost: what it may cost itself, in USD, or a budget of many. */
  paused: { by: 'task' | 'window'; limitUsd: number | null } | null
  /** What the message is about where that is a budget. */
  budget: BudgetJson | null
  result: { commit: string; ahead: number; filesChanged: number; insertions: number; deletions: number } | null
  /** Null unless `[notify] include_text` is true. */
  text: {
    title: string
    prompt: string
    labels: Record<string, string>
    branch: string
    summary: string | null
    error: string | null
    /** The permission that its agent asks for; absent where it asks for none. */
    question?: string
    /** The failure card, added when the message is sent: the end of what failed printed, why, and the next command. */
    failure: string | null
  } | null
}

export interface BudgetJson {
  window: 'day' | 'week' | 'month'
  /** Null for that of all tasks, and unless `[notify] include_text` is true. */
  label: string | null
  limitUsd: number
  spentUsd: number
  /** When its window is over. */
  until: string
  /** How many tasks rest for it by now, with their work at home. */
  resting: number
  /** Whether one of them may be allowed to cost more. */
  mayAllow: boolean
}

export function noticeOf(task: Task, event: NoticeEvent, now: number, includeText: boolean): NoticeJson {
  const { spec, result, error, step, facts } = task
  const asked = step === 'awaiting_followup' ? facts.question : null
  return {
    schema: 'tdf.notice.v1',
    event,
    at: iso(now),
    taskId: task.id,
    attempt: task.attempt,
    status: task.status,
    verdict: task.verdict,
    agent: spec.agent.name,
    node: task.nodeName,
    startedAt: iso(task.startedAt),
    completedAt: iso(task.completedAt),
    parkedUntil: iso(task.parkedUntil),
    errorCode: error?.code ?? null,
    schedule: spec.schedule ?? null,
    paused: pausedOf(task),
    budget: null,
    result: result && {
      commit: result.commit,
      ahead: result.ahead,
      filesChanged: result.filesChanged,
      insertions: result.insertions,
      deletions: result.deletions,
    },
    text: includeText
      ? {
          title: spec.title,
          prompt: spec.prompt,
          labels: spec.labels,
          branch: spec.outputBranch,
          summary: result?.summary ?? null,
          error: error?.message ?? null,
          failure: null,
          ...(asked ? { question: questionLine(asked).slice(0, QUESTION_CHARS_MAX) } : {}),
        }
      : null,
  }
}

function pausedOf({ status, facts: { paused }, spec }: Task): NoticeJson['paused'] {
  if (status !== 'parked' || !paused) return null
  return { by: paused, limitUsd: paused === 'task' ? (spec.maxCostUsd ?? null) : null }
}

/** A message over ntfy has 4096 bytes, and all of it has to be read at a glance. */
const QUESTION_CHARS_MAX = 800

/** Nobody allows what is not in the message as a whole, as it is. */
export function mayAllow({ facts: { question, paused } }: Task, includeText: boolean): boolean {
  if (paused) return true
  if (!includeText || !question) return false
  const shown = questionLine(question)
  return shown.length <= QUESTION_CHARS_MAX && packed(shown) === packed(questionText(question))
}

const packed = (text: string) => text.replace(/\s+/g, ' ').trim()

/** About a schedule that is paused, and the task that it made last. */
export function scheduleNotice(
  schedule: string,
  task: Task | undefined,
  now: number,
  includeText: boolean,
): NoticeJson {
  const event = 'schedule-failing'
  if (task) return { ...noticeOf(task, event, now, includeText), schedule }
  const about = { ...ABOUT_NONE, status: 'failed' as const, budget: null }
  return { event, at: iso(now), schedule, ...about }
}

/** `resting` are the ids of tasks; the message names the first, by which all may be allowed to cost more. */
export function budgetNotice(
  { window, label, limitUsd, spentUsd, until, isUsed, isGranted }: Standing,
  resting: readonly string[],
  now: number,
  { notify }: Pick<Config, 'notify'>,
): NoticeJson {
  const shown = { window, label: notify.includeText ? label : null, limitUsd, spentUsd, until: iso(until) }
  return {
    ...ABOUT_NONE,
    taskId: resting[0] ?? '',
    event: isUsed ? 'budget-used' : 'budget-warning',
    at: iso(now),
    status: isUsed ? 'parked' : 'in_progress',
    schedule: null,
    budget: { ...shown, resting: resting.length, mayAllow: resting.length > 0 && !isGranted },
  }
}

const ABOUT_NONE: Omit<NoticeJson, 'event' | 'at' | 'status' | 'schedule' | 'budget'> = {
  schema: 'tdf.notice.v1',
  taskId: '',
  attempt: 0,
  verdict: null,
  agent: '',
  node: null,
  startedAt: null,
  completedAt: null,
  parkedUntil: null,
  errorCode: null,
  paused: null,
  result: null,
  text: null,
}

/** `task 7kq2 failed`, for a line on a screen of another. ASCII, since it becomes a header. */
export function headline({ event, taskId, schedule, budget }: NoticeJson): string {
  const named = PLAIN[event].replace('TASK', taskId).replace('SCHEDULE', schedule ?? '')
  return budget ? named.replace('BUDGET', budgetText({ ...budget, label: null })) : named
}

const PLAIN: Record<NoticeEvent, string> = {
  done: 'task TASK is done',
  failed: 'task TASK failed',
  cancelled: 'task TASK was cancelled',
  parked: 'task TASK is parked',
  'needs-you': 'task TASK needs you',
  'push-failed': 'the branch of task TASK was not pushed',
  'schedule-failing': 'the schedule SCHEDULE fails, and is paused',
  'budget-warning': 'the BUDGET is nearly used',
  'budget-used': 'the BUDGET is used',
}

/** What a person reads below the headline. */
export function bodyText(notice: NoticeJson): string {
  const { verdict, startedAt, completedAt, node, parkedUntil, result, text, taskId } = notice
  const took = startedAt && completedAt && formatDurationShort(Date.parse(completedAt) - Date.parse(startedAt))
  const changed =
    result && result.ahead > 0 && `${result.filesChanged} files, +${result.insertions} -${result.deletions}`
  if (notice.budget) return budgetBody(notice, notice.budget)
  const facts = [verdict, took && `after ${took}`, node && `on ${node}`, parkedUntil && `until ${parkedUntil}`, changed]
  // Older rows of the outbox have no such key.
  if (text?.failure) return [facts.filter(Boolean).join(', '), text.title, text.failure].filter(Boolean).join('\n')
  const said = text && [text.title, text.question ?? text.error ?? text.summary]
  const next = nextOf(notice).replace('SCHEDULE', notice.schedule ?? '')
  const paused = notice.paused ? pausedText(notice.paused) : null
  return [facts.filter(Boolean).join(', '), paused, ...(said ?? []), next.replace('TASK', taskId)]
    .filter(Boolean)
    .join('\n')
}

function budgetBody(
  { event, taskId }: NoticeJson,
  { resting, mayAllow, spentUsd, until, ...budget }: BudgetJson,
): string {
  const spent = `of the ${budgetText(budget)} $${spentUsd.toFixed(2)} are spent; its window is over at ${until}`
  if (event === 'budget-warning') return `${spent}\ntdf cost --by day`
  const rests = resting === 0 ? 'no task is begun that it counts for' : `${resting} tasks rest, with their work at home`
  return [spent, rests, mayAllow ? `tdf send ${taskId} allow` : 'tdf cost --by day'].join('\n')
}

const pausedText = ({ by, limitUsd }: NonNullable<NoticeJson['paused']>): string =>
  by === 'task'
    ? `the $${Number(limitUsd).toFixed(2)} that it may cost are used; allow adds a quarter`
    : 'a budget is used that counts for it; allow raises that by a quarter, for all that it holds'

function nextOf({ event, status, paused, text }: NoticeJson): string {
  if (paused) return 'tdf send TASK allow'
  if (event !== 'needs-you') return NEXT[event] ?? 'tdf show TASK'
  // One that waits for others has no agent that could be told anything; one that is over, a pull request that has need of its user.
  if (status === 'queued') return 'tdf why TASK'
  if (isTerminal(status)) return 'tdf pr show TASK'
  return text?.question ? 'tdf send TASK allow' : 'tdf send TASK "what to do next"'
}

const NEXT: Partial<Record<NoticeEvent, string>> = {
  'push-failed': 'tdf push TASK',
  'schedule-failing': 'tdf schedule show SCHEDULE',
}
