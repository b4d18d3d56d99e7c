/** What the control API speaks with the CLI and the dashboard. No parser: the CLI loads it with each command. */
import type { Fit } from '../core/facts.ts'
import type { Artifact, SavedRef } from '../core/saved.ts'
import type { Cleanup, Status, Step, Verdict } from '../core/task.ts'
import type { AgentsJson, AttemptJson, OriginJson, PullJson, ResultJson } from './attempts.ts'

/** Headers of a list: what the next page has as `before`, and how many rows are in no page of this list. */
export const NEXT_PAGE = 'x-tdf-next'
export const MORE = 'x-tdf-more'

/** A task as `--json` shows it: every key always there, null when empty, times in ISO 8601 UTC. */
export interface TaskJson extends AgentsJson, OriginJson {
  schema: 'tdf.task.v1'
  id: string
  attempt: number
  title: string
  prompt: string
  repo: { url: string; ref: string | null; baseCommit: string | null }
  outputBranch: string
  labels: Record<string, string>
  priority: number
  status: Status
  step: Step | null
  stepEnteredAt: string | null
  stepAttempt: number
  wakeAt: string | null
  waitingFor: string | null
  /** The tasks that it comes after. */
  after: { id: string; state: 'waiting' | 'met' | 'failed' | 'gone' }[]
  /** Ids of those from whose work it begins. */
  from: string[]
  group: { name: string; kind: 'each' | 'race' | 'set'; key: string | null; winner: boolean | null } | null
  /** What the pick of its race said that its work is worth; null where there is none, and where the pick let it not pass. */
  score: number | null
  /** The pick of its race, once it has run. */
  pick: { command: string; exitCode: number | null } | null
  parkedUntil: string | null
  node: {
    name: string
    provider: string
    size: string | null
    location: string | null
    autoProvisioned: boolean
  } | null
  workspace: { id: string; status: string } | null
  session: {
    id: string
    agent: string
    status: string
    exitCode: number | null
    signal: string | null
    resumeRef: string | null
    /** What the agent says that it is, and what model it uses. */
    agentVersion: string | null
    model: string | null
  } | null
  verdict: Verdict | null
  result: ResultJson | null
  /** All of them, the oldest first; a later one never changes what an earlier one came to. */
  attempts: AttemptJson[]
  /** Set where this attempt goes on from what an earlier one saved, by `tdf continue`. */
  continued: { of: number; resumed: 'conversation' | 'files' } | null
  /** What came home beside the result's branch. */
  saved: SavedRef[]
  /** What was in the workspace and did not come home, or not as it was. */
  leftOut: { path: string; bytes: number | null; reason: string }[]
  /** Files that were kept beside the result: `tdf artifacts`. */
  artifacts: Omit<Artifact, 'blob'>[]
  /** Of this attempt. A cost of null is not known. */
  usage: { inputTokens: number; outputTokens: number; costUsd: number | null } | null
  /** Of all attempts together. */
  totalUsage: { inputTokens: number; outputTokens: number; costUsd: number | null } | null
  /** What all its attempts together may cost, in USD; null when nothing limits it. */
  maxCostUsd: number | null
  /** How many tasks its agent may hand over, and how deep (null: none); and the task whose agent handed this one over. */
  maySpawn: { count: number; depth: number } | null
  parent: string | null
  /** What the machines cost while workspaces of the task stood on them, in the currency of their price; null when free. */
  machineCost: number | null
  error: { code: string; message: string; hint: string; step: Step | null; class: string } | null
  cleanup: Cleanup | null
  /** The last push that was asked for; null when there was none. It has no say in the verdict. */
  push: PushJson | null
  /** As `tdf fit` saw it last; null when it was not asked. */
  fit: FitJson | null
  /** The last `tdf land` of this attempt; null when there was none. */
  landing: LandingJson | null
  /** Null where its pull request is not watched. */
  pr: PullJson | null
  createdAt: string
  startedAt: string | null
  completedAt: string | null
  updatedAt: string
}

/**
 * *waiting*, *resolving* by attempt `resolvedIn`, *checking* by task `checkTask`, *ready*: the branch may become `commit`;
 * *landed*, or *left* by an error.
 */
export interface LandingJson {
  state: 'waiting' | 'resolving' | 'checking' | 'ready' | 'landed' | 'left'
  onto: string
  /** Where the branch was when it was merged. */
  tip: string | null
  commit: string | null
  checkTask: string | null
  /** The attempt that --resolve has opened over a conflict, and whose result lands then. */
  resolvedIn: number | null
  squash: boolean
  /** In its lane, from 1; null when it is in none any more. */
  place: number | null
  error: { code: string; message: string } | null
}

export interface FitJson extends Omit<Fit, 'at'> {
  at: string
}

/** *pending*: it is being tried; *failed*: nobody tries any more. `branch` is at `pushedCommit` of `remote`. */
export interface PushJson {
  state: 'pending' | 'pushed' | 'failed'
  remote: string
  branch: string
  commit: string
  pushedCommit: string | null
  wantsPr: boolean
  prUrl: string | null
  tries: number
  nextTryAt: string | null
  /** What the last try failed with, in the words of git or of the forge. */
  error: string | null
  updatedAt: string
}

/** `GET /v1/tasks/ID/failure`: what failed, the session that has all of its output, and its last lines as people read them. */
export interface FailureJson {
  part: string
  session: string | null
  lines: string[]
}

/** Where a task would go now. *warm*: at once; *coming*, *ordered*: once the machine is up; *queued*: not yet. */
export interface ForecastJson {
  how: 'warm' | 'coming' | 'ordered' | 'queued'
  node: string | null
  provider: string | null
  size: string | null
  location: string | null
  /** Of the machine; of one to order, what the last such one cost. Null when it is free or not known. */
  pricePerHour: number | null
  why: string | null
}

/** Who would fetch a repository by url, and with what, by name: for `submit --dry-run`. */
export interface PlannedSourceJson {
  fetch: 'daemon' | 'node'
  /** Null where a node fetches: what it has is not known here. */
  credential: string | null
}

export interface NodeJson {
  name: string
  provider: string
  status: string
  size: string | null
  location: string | null
  address: string | null
  workspaces: number
  maxWorkspaces: number
  warmUntil: string | null
  createdAt: string
  pricePerHour: number | null
  waitingFor: string | null
  /** By its last heartbeat, percent of the whole machine (0 to 100); null before the first. */
  load: { cpuPercent: number | null; memoryPercent: number | null; diskPercent: number | null; at: string } | null
}

export interface EventJson {
  seq: number
  at: string
  type: string
  taskId: string | null
  nodeName: string | null
  step: string | null
  attempt: number | null
  data: Record<string, unknown>
}

export interface ErrorRowJson {
  id: string
  at: string
  level: 'error' | 'warn' | 'info'
  source: string
  taskId: string | null
  step: string | null
  code: string
  message: string
  context: Record<string, unknown>
}

export interface DaemonStatusJson {
  pid: number
  version: string
  home: string
  installId: string
  socket: string
  callbacksUrl: string
  startedAt: string
  /** Who starts it again when it ends; null when nobody does. */
  supervisor: 'systemd' | null
  /** A daemon that stands by has no tasks and nodes of its own: those of the one that serves are its. */
  role: 'serving' | 'standby'
  /** Its name among the daemons that share the state; null with the embedded file. */
  member: string | null
  /** Counts takeovers; null with the embedded file. */
  epoch: number | null
  /** Where the state lives; `host` is null for the embedded file. */
  store: { kind: 'file' | 'postgres'; host: string | null }
  /** Why no task is begun; null when tasks are. */
  obstacle: string | null
  tasks: Record<string, number>
  nodes: Record<string, number>
}

/** `tdf why`: what a task waits for, since when, until when, what happens next, and what would change it. */
export interface WhyJson {
  taskId: string
  status: Status
  step: Step | null
  sentence: string
  since: string | null
  until: string | null
  next: string | null
  nodes: { name: string; reason: string }[]
  /** When it will probably go on, from what such tasks took before; null when that is not known. */
  estimate: string | null
  /** The same as a time, so that it can be counted down; ISO 8601. */
  expectedAt: string | null
  /** How long the step usually takes for this agent and this repository, in ms; null in the queue, and when not known. */
  usualMs: number | null
  command: string | null
  /** Where a schedule made the task. An older daemon does not say. */
  scheduled?: OriginJson['scheduled']
}

export interface ErrorJson {
  error: { code: string; message: string; hint: string; field?: string }
}
