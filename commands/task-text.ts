/** A task in words, for people. */
import type { TaskJson } from '../src/protocol/control.ts'

export function showTask(task: TaskJson): string {
  return `${task.id} ${task.status}: ${task.title}`
}
