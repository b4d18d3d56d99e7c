/** The sessions of an attempt by name. Names derive from ids, so that asking again finds what is there. */
import type { Task } from '../src/task.ts'

/** The agent's name for what the setup command printed. */
export const SETUP_SESSION = 'setup'

/** Names the n-th session of an attempt, from 1. */
export function sessionIdOf(task: Pick<Task, 'workspaceId'>, number: number): string {
  return `${task.workspaceId}-s${number}`
}

/** The check of a task is a session of its own. */
export const checkIdOf = (sessionId: string) => `${sessionId}-check`

/** Every session that was or may have been started, oldest first. */
export function sessionsOf(task: Task): string[] {
  if (task.sessionId === null) return []
  const runs = Array.from({ length: (task.facts.followups ?? 0) + 1 }, (_, index) => sessionIdOf(task, index + 1))
  return task.spec.check === null ? runs : [...runs, checkIdOf(task.sessionId)]
}
