/** What is worth telling somebody who does not look: a task ended, rests until a known time, or needs a person. */
import type { NewsEvent } from '../../src/config/notify-table.ts'
import { isTerminal, type Task } from '../../src/task.ts'
import type { Transition } from '../transition.ts'

const ENDS = { completed: 'done', failed: 'failed', cancelled: 'cancelled' } as const

/** Of a change that is being saved; an end that opens the next attempt is none yet. */
export function newsOf(before: Task, { task, writes }: Pick<Transition, 'task' | 'writes'>): NewsEvent | null {
  if (isTerminal(task.status) && !isTerminal(before.status)) {
    return writes.some(({ kind }) => kind === 'next_attempt') ? null : ENDS[task.status as keyof typeof ENDS]
  }
  if (task.status === 'parked' && before.status !== 'parked') return 'parked'
  return task.step === 'awaiting_followup' && before.step !== 'awaiting_followup' ? 'needs-you' : null
}
