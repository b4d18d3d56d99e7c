/** Lists of tasks for people begin with what matters: who needs you, what runs, what failed lately, what waits, what is done. */
import type { TaskJson } from '../protocol/control.ts'

type Ordered = Pick<TaskJson, 'id' | 'status' | 'step' | 'priority' | 'createdAt' | 'completedAt'>

/** A failure that is older than this is history, in ms. */
const LATELY_MS = 24 * 3_600_000

/** Whether a task failed within the last day. `now` in Unix ms. */
export const isFailedLately = ({ status, completedAt }: Pick<Ordered, 'status' | 'completedAt'>, now: number) =>
  status === 'failed' && now - Date.parse(completedAt ?? '') < LATELY_MS

/** The lower the nearer to the top. `now` in Unix ms. */
function urgencyOf(task: Ordered, now: number): number {
  const { status, step } = task
  if (step === 'awaiting_followup') return 0
  if (status === 'in_progress' || status === 'delegated') return 1
  if (isFailedLately(task, now)) return 2
  if (status === 'parked') return 3
  return status === 'queued' ? 4 : 5
}

export const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Among equals the newest comes first; in the queue, the next. A comparison for `sort`. */
export function compareUrgency(a: Ordered, b: Ordered, now: number): number {
  const between = urgencyOf(a, now) - urgencyOf(b, now)
  if (between !== 0) return between
  if (a.status === 'queued') return b.priority - a.priority || byText(a.createdAt, b.createdAt) || byText(a.id, b.id)
  return byText(b.completedAt ?? b.createdAt, a.completedAt ?? a.createdAt) || byText(a.id, b.id)
}

export function byUrgency<T extends Ordered>(tasks: readonly T[], now: number): T[] {
  return [...tasks].sort((a, b) => compareUrgency(a, b, now))
}
