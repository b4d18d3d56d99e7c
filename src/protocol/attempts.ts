/** What an attempt of a task came to, as the control API shows it. No parser: the CLI loads it with each command. */
import type { AgentStop } from '../core/facts.ts'
import type { PullGoal } from '../core/source.ts'
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

/** How the pull request of a task stands that is watched. It has no say in the verdict. */
export interface PullJson {
  url: string
  number: number | null
  /** What it is watched for. */
  until: PullGoal
  /** *reacting*: its agent was given what is red; *needs_you*: still red, and nothing more is tried. */
  state: 'watching' | 'reacting' | 'paused' | 'green' | 'merged' | 'closed' | 'needs_you' | 'stopped'
  head: string
  checks: { passed: number; failed: number; pending: number } | null
  /** How often the agent has answered with new commits, and how often it may. */
  round: number
  rounds: number
  waitingFor: string | null
  /** Of what the agent was given last. */
  fingerprint: string | null
  /** What the last look failed with. */
  error: string | null
  updatedAt: string
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

/** What a task came from. */
export interface OriginJson {
  /** The name of the schedule that made it. */
  schedule: string | null
  /** That schedule as it stands, and the instant that the task was made for. An older daemon does not say. */
  scheduled: ScheduledJson | null
  /** The issue that it came from. */
  source: { name: string; issue: string; title: string; url: string | null } | null
}

export interface ScheduledJson {
  name: string
  /** Null where the schedule was removed. */
  cron: string | null
  tz: string | null
  planned: string | null
  /** What else is to be said of this run. */
  note: string | null
  /** How much later it came than planned; 0 where that is not worth a word. */
  lateMs: number
  state: 'active' | 'paused' | 'gone'
  /** Its next instant; null where there is none. */
  next: string | null
}

/** Of a task: who does it. `session.agent` may be another than the `agent` that was asked for. */
export interface AgentsJson {
  agent: string
  /** Who worked on it, and why each that stopped does not go on. */
  agentsUsed: { agent: string; why: AgentStop['why'] | null; until: string | null }[]
  /** Who goes on in its place when `agent` is at its limit, and who cannot though it was asked for; null for nobody. */
  fallback: { agents: string[]; passedOver: { agent: string; reason: string }[] } | null
}
