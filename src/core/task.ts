/** What a task is. A *status* says who owns it, a *step* where it is; what changes belongs to one attempt. */

import type { AgentSpec, FallbackSpec } from './agent.ts'
import type { Continued, Facts, ResumeFacts, Usage } from './facts.ts'
import type { AfterSpec, IssueSpec, PushSpec, RaceSpec, RepoSource, SpawnSpec } from './source.ts'

export type { Continued, ExitFacts, Facts, ProgressFacts, Question, ResumeFacts, SourceFacts, Usage } from './facts.ts'

export const STATUSES = ['queued', 'delegated', 'in_progress', 'parked', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof STATUSES)[number]

/** Legal changes of status. A terminal status never changes. */
export const STATUS_EDGES = {
  queued: ['delegated', 'failed', 'cancelled'],
  delegated: ['queued', 'in_progress', 'failed', 'cancelled', 'parked'],
  in_progress: ['completed', 'failed', 'cancelled', 'parked'],
  parked: ['queued', 'in_progress', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<Status, readonly Status[]>

export const STEPS = [
  'node_selection',
  'node_provisioning',
  'node_agent_ready',
  'workspace_creation',
  'workspace_ready',
  'agent_session',
  'running',
  'awaiting_followup',
  'salvage',
  'cleanup',
] as const
export type Step = (typeof STEPS)[number]

export type Verdict =
  | 'verified'
  | 'unverified'
  | 'no_change'
  | 'check_failed'
  | 'permission_denied'
  | 'agent_error'
  | 'timeout'
  | 'budget'
  | 'infrastructure'
  | 'cancelled'

export type Cleanup = 'pending' | 'done' | 'failed'

/** What has to be undone outside after an attempt, in the order in which it is done. */
export const CLEANUP_KINDS = ['salvage', 'stop_workspace', 'delete_workspace'] as const
export type CleanupKind = (typeof CLEANUP_KINDS)[number]

/** How an agent's questions for permission are answered; `ask` asks the task's user. */
export type Permissions = 'allow' | 'deny' | 'ask'

/** What was asked for. Written once at submit and the same for every attempt, but for what `tdf continue` asks anew. */
export interface TaskSpec extends SpawnSpec {
  /** The trace that the task is a part of, by W3C Trace Context; its agent finds it as TRACEPARENT. */
  traceparent?: string
  title: string
  prompt: string
  /** Of an attempt that was continued, where `prompt` is what it was told: what the task was asked first. */
  firstPrompt?: string
  agent: AgentSpec
  repo: RepoSource
  outputBranch: string
  author: { name: string; email: string }
  setup: { command: string; timeoutMs: number } | null
  /** False: what the repository itself asks for is not run either. */
  repositorySetup?: boolean
  check: string | null
  /** Placement wishes; null means "any". A named node never falls back to another. */
  node: string | null
  provider: string | null
  size: string | null
  location: string | null
  labels: Record<string, string>
  priority: number
  /** Limit on the agent's run from `--timeout`, in ms; null uses the configured limits. */
  timeoutMs: number | null
  interactive: boolean
  /** The task ends with the verdict `budget` once its agent has cost more, in USD; see `atLimit`. */
  maxCostUsd?: number | null
  /** At that limit: `ask` saves its work and waits for its user; left out, it ends. */
  atLimit?: 'ask' | 'end'
  permissions?: Permissions
  /** False: a usage limit ends the attempt instead of parking it. */
  autoResume?: boolean
  /** Who goes on when the agent is at its limit. */
  fallback?: FallbackSpec | null
  /** Who was asked for, while another goes on: never stored. */
  firstAgent?: AgentSpec
  /** Globs of files that are kept beside its result. */
  artifacts?: string[]
  /** Where its branch goes once it is completed; null keeps it here. */
  push?: PushSpec | null
  /** Absent: it waits for no other task. */
  after?: AfterSpec
  /** From which every attempt begins, where that is no ref of its repository: the merge that a landing checks. */
  base?: ResumeFacts
  /** Absent: it runs in no race. */
  race?: RaceSpec
  /** The name of the schedule that made it. */
  schedule?: string
  /** Absent: it came from no tracker of issues. */
  source?: IssueSpec
}

export interface TaskResult {
  branch: string
  commit: string
  ahead: number
  filesChanged: number
  insertions: number
  deletions: number
  summary: string | null
  salvaged: boolean
  check: { command: string; exitCode: number | null } | null
}

export interface TaskError {
  code: string
  message: string
  hint: string
  step: Step | null
  class: 'transient' | 'wait' | 'permanent'
}

/** One attempt of a task. */
export interface AttemptKey {
  id: string
  attempt: number
}

/** One attempt of a task, as stored. Times are Unix milliseconds. */
export interface Task {
  id: string
  attempt: number
  /** Guards status, step and attempt: a writer that saw an older one loses. Signals never raise it. */
  rev: number
  spec: TaskSpec
  status: Status
  step: Step | null
  stepEnteredAt: number
  stepAttempt: number
  /** The only thing that moves time. Null once nothing is left to do. */
  wakeAt: number | null
  /** When the step gives up; moved along with every gap of the clock. */
  deadlineAt: number | null
  /** The run's limit that nothing extends. */
  absoluteAt: number | null
  waitingFor: string | null
  parkedUntil: number | null
  placement: number
  nodeName: string | null
  workspaceId: string | null
  sessionId: string | null
  facts: Facts
  continued: Continued<Partial<TaskSpec>> | null
  verdict: Verdict | null
  result: TaskResult | null
  usage: Usage | null
  error: TaskError | null
  cleanup: Cleanup | null
  /** Marks an attempt that this engine manages; null was written before the marker existed. */
  engineVersion: number | null
  createdAt: number
  startedAt: number | null
  completedAt: number | null
  updatedAt: number
}

/** Whether the verdict has fallen: such a status never changes. */
export function isTerminal(status: Status): boolean {
  return STATUS_EDGES[status].length === 0
}

/** Whether a task is over for people: the verdict is final and what came home is known. Cleaning up may go on. */
export function isOver({ status, step }: { status: Status; step: Step | null }): boolean {
  return isTerminal(status) && step !== 'salvage'
}

/** Whether its push, where one was asked for, has ended as well. */
export function isSettled(task: { status: Status; step: Step | null; push: { state: string } | null }): boolean {
  return isOver(task) && task.push?.state !== 'pending'
}

/** Whether its pull request has come to what it is watched for, or cannot any more; without a watch, whether it is settled. */
export function isPullOver(task: Parameters<typeof isSettled>[0] & { pr: { state: string } | null }): boolean {
  const { pr } = task
  if (pr === null || !isSettled(task)) return isSettled(task)
  return pr.state !== 'watching' && pr.state !== 'reacting' && pr.state !== 'paused'
}

/** The verdicts of a completed task; every other terminal verdict belongs to `failed` or `cancelled`. */
export function statusOf(verdict: Verdict): 'completed' | 'failed' | 'cancelled' {
  if (verdict === 'cancelled') return 'cancelled'
  return verdict === 'verified' || verdict === 'unverified' || verdict === 'no_change' ? 'completed' : 'failed'
}

/** Names of what an attempt makes outside. They derive from ids, so that doing it again finds what is there. */
export function workspaceIdOf(taskId: string, attempt: number, placement: number): string {
  return `${taskId}-${attempt}-${placement}`
}

export function resultRefOf(taskId: string, attempt: number): string {
  return `refs/tdf/${taskId}/${attempt}`
}

/** The agent's name for what the setup command printed. */
export const SETUP_SESSION = 'setup'

/** The name of the n-th session of an attempt, from 1. Names derive from ids, so that asking again finds what is there. */
export function sessionIdOf(task: Pick<Task, 'workspaceId'>, number: number): string {
  return `${task.workspaceId}-s${number}`
}

/** The session after those that were started in this attempt, and how many came after the first one with it. */
export function nextSession(task: Task): { id: string; followups: number } {
  const begun = task.facts.session ? (task.facts.followups ?? 0) + 1 : 0
  return { id: sessionIdOf(task, begun + 1), followups: begun }
}

/** The check of a task is a session of its own, and so is the pick of its race. */
export const checkIdOf = (sessionId: string) => `${sessionId}-check`
export const pickIdOf = (sessionId: string) => `${sessionId}-pick`

/** Every session that was or may have been started in one workspace of the attempt, oldest first. */
export function sessionsOf(task: Task, workspaceId: string | null = task.workspaceId): string[] {
  if (task.sessionId === null) return []
  const length = (task.facts.followups ?? 0) + 1
  const runs = Array.from({ length }, (_, index) => sessionIdOf({ workspaceId }, index + 1))
  const check = task.spec.check === null ? [] : [checkIdOf(task.sessionId)]
  return [...runs, ...check, ...(task.spec.race?.pick ? [pickIdOf(task.sessionId)] : [])]
}

/** The agent that was asked for, and those that may go on in its place; each once. */
export const agentsOf = ({ agent, firstAgent = agent, fallback }: TaskSpec): AgentSpec[] =>
  [firstAgent, ...(fallback?.agents ?? [])].filter((one, at) => at === 0 || one.name !== firstAgent.name)

/** What is done, by the agent of this name; by the one that was asked for when the name is none of those. */
export function doneBy(spec: TaskSpec, name: string | undefined): TaskSpec {
  if (name === undefined || name === spec.agent.name) return spec
  const { firstAgent = spec.agent, ...asked } = spec
  const agent = agentsOf(spec).find(one => one.name === name)
  return agent && agent !== firstAgent ? { ...asked, agent, firstAgent } : { ...asked, agent: firstAgent }
}
