/** What an attempt of a task came to, as the control API shows it. No parser: the CLI loads it with each command. */
import type { Status, TaskResult, Usage, Verdict } from '../core/task.ts'

export interface ResultJson extends Omit<TaskResult, 'check'> {
  check: CheckJson | null
}

/** `base`: the commit under the tree that was checked. */
export interface CheckJson {
  command: string
  exitCode: number | null
  base: string | null
}

export interface AttemptJson {
  attempt: number
  status: Status
  verdict: Verdict | null
  /** What its agent was asked. */
  prompt: string
  agent: string
  commit: string | null
  branch: string | null
  check: CheckJson | null
  usage: Usage | null
  startedAt: string | null
  completedAt: string | null
}
