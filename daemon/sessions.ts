/** The sessions of an attempt by name. Names derive from ids, so that asking again finds what is there. */
import type { Task } from '../src/task.ts'

/** The agent's name for what the setup command printed. */
export const SETUP_SESSION = 'setup'

/** Names the n-th session of an attempt, from 1. */
export function sessionIdOf(task: Pick<Task, 'workspaceId'>, number: number): string {
  return `${task.workspaceId}-s${number}`
}

/** The session after those that were started in this attempt, and how many came after the first one with it. */
export function nextSession(task: Task): { id: string; followups: number } {
  const begun = task.facts.session ? (task.facts.followups ?? 0) + 1 : 0
  return { id: sessionIdOf(task, begun + 1), followups: begun }
}

/** The check of a task is a session of its own. */
export const checkIdOf = (sessionId: string) => `${sessionId}-check`

/** Every session that was or may have been started in one workspace of the attempt, oldest first. */
export function sessionsOf(task: Task, workspaceId: string | null = task.workspaceId): string[] {
  if (task.sessionId === null) return []
  const length = (task.facts.followups ?? 0) + 1
  const runs = Array.from({ length }, (_, index) => sessionIdOf({ workspaceId }, index + 1))
  return task.spec.check === null ? runs : [...runs, checkIdOf(task.sessionId)]
}
