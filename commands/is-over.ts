/** Whether anybody still has to wait for a task. Apart, since the command tree needs it before anything is loaded. */
import type { TaskJson } from '../src/protocol/control.ts'

/** The verdict is final: what came home is known. Cleaning up may go on. */
export function isOver({ status, step }: TaskJson): boolean {
  return (status === 'completed' || status === 'failed' || status === 'cancelled') && step !== 'salvage'
}

/** And its push, where one was asked for, has ended one way or the other. */
export function isSettled(task: TaskJson): boolean {
  return isOver(task) && task.push?.state !== 'pending'
}

export function needsInput({ step }: TaskJson): boolean {
  return step === 'awaiting_followup'
}
