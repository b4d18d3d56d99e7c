/** What is learnt about a task while it runs: a column of JSON that only grows. */

import type { SalvageFacts } from './saved.ts'
import type { Awaited, Blocked } from './source.ts'

/** What the engine has learnt during an attempt. Every key is absent until it is known. */
export interface Facts {
  lostSlots?: number
  redispatches?: number
  session?: SessionFacts
  /** Sessions started after the first one, each by a follow-up. */
  followups?: number
  progress?: ProgressFacts
  exit?: ExitFacts
  /** When the last sessions were started, Unix ms, the oldest first. */
  starts?: number[]
  /** What was used, by session, or by conversation where an agent counts from its beginning. */
  usages?: Record<string, Usage>
  resume?: ResumeFacts
  /** What keeps it from the queue; null once nothing does. */
  awaits?: Awaited | null
  /** Why its predecessors do not let it go on, for a person to mend. */
  blocked?: Blocked | null
  /** When nothing kept it from the queue any more, Unix ms; absent where nothing ever did. */
  releasedAt?: number
  /** What the daemon fetched of its url; null while that is still to be done. Absent where the daemon fetches nothing. */
  source?: SourceFacts | null
  /** Follow-ups, by the id of their signal, that the session took and that may not have reached its agent yet. */
  prompted?: number[]
  /** The next session is given the oldest follow-up; else it goes on where the last one was cut off. */
  next?: 'followup' | null
  /** What the agent asks for, and what it waits for. */
  question?: Question | null
  /** Since when it is parked, Unix ms; null once it goes on. */
  parkedAt?: number | null
  /** Since when it has cost what it may while its agent uses a tool, Unix ms; null once that is over. */
  overSince?: number | null
  /** By which limit it rests: a budget of many tasks, or what it may cost itself; null once it goes on. */
  paused?: 'window' | 'task' | null
  /** Its user let it cost a quarter more than it may. */
  granted?: boolean
  /** What it may cost since its user raised that while it rested, in USD. */
  limitUsd?: number
  /** How often it was parked, and how often its conversation went on after an interruption. */
  parks?: number
  resumes?: number
  /** Its agent would not go on with the conversation that it was given, and was given the files alone. */
  rejected?: boolean
  /** Where others may go on: who stopped, the last stop of each, the oldest first. */
  stops?: AgentStop[]
  /** Who goes on in place of the agent that was asked for, by name. */
  agent?: string
  /** The session for which that was settled: whoever is free by then, it is started with this one. */
  chosen?: string | null
  /** How many sessions thought, used a tool or wrote, as far as others may go on. */
  acts?: number
  /** Conversations that agents left when another one went on, by the name of the agent. */
  left?: Record<string, LeftConversation>
  salvage?: SalvageFacts
  saved?: boolean
  /** Its node is held for its work, which did not come home in time. */
  held?: boolean
  /** Not all of it could be read: its workspace stays. */
  kept?: boolean
  check?: { sessionId: string; exitCode: number | null; ended: boolean }
  /** How the pick of its race ended, and the number in the last line that it printed. */
  pick?: { sessionId: string; exitCode: number | null; ended: boolean; score?: number }
  /** What of the workspace is not as it was asked for, in words. */
  warning?: string
  /** As it was asked last, by `tdf fit`. */
  fit?: Fit
}

/** What is asked for, with the limit of cost that counts by now. */
export const withLimit = <S extends { maxCostUsd?: number | null }>(spec: S, { limitUsd }: Facts): S =>
  limitUsd === undefined ? spec : { ...spec, maxCostUsd: limitUsd }

/** Why an agent of the task goes on no more, and until when, Unix ms; null: for this attempt. */
export interface AgentStop {
  agent: string
  why: 'usage_limit' | 'auth' | 'cannot_start'
  until: number | null
  /** Its last session; null for one that never had any. */
  session: string | null
}

export interface LeftConversation {
  resumeRef: string | null
  /** What the attempt had of `acts` then: the conversation knows everything as long as it has no more. */
  acts: number
  nodeName: string | null
}

/** Whether a result still fits onto a branch, which was at `commit` then. */
export interface Fit {
  /** The full name of the branch. */
  onto: string
  commit: string
  /** *fits*: it goes on from there; *behind*: it can be merged with what came since; *in*: all of it is there already. */
  state: 'fits' | 'behind' | 'conflict' | 'in'
  /** That git cannot merge. */
  files: string[]
  /** Ids of results of the same source that cannot be merged with it. */
  with: string[]
  /** Commits of the branch that the result does not have. */
  moved: number
  /** When that was seen, Unix ms. */
  at: number
}

/** What an attempt goes on from: the saved tree and the conversation of an earlier one, or of itself before it was parked. */
export interface ResumeFacts {
  /** The ref and the commit from which the workspace is made. */
  ref: string
  commit: string
  /** Where the work began, so that the result is all of it. */
  baseCommit: string
  salvaged: boolean
  /** The conversation, in the agent's own words; null when it had none to go on with. */
  resumeRef: string | null
  /** The node on which the conversation stays; absent where it comes along to any. */
  onlyOn?: string
  /** What conversations had used before: not counted again. */
  usages?: Record<string, Usage>
  /** It is the work of other tasks, and no agent of this one was at it. */
  isBase?: true
  /** The bundle that was made of it, once it was. */
  source?: { sha256: string; bytes: number }
}

/** The conversation with which an attempt on this node goes on; null when it had none, or when it stays on another node. */
export function conversationOn({ resumeRef, onlyOn }: ResumeFacts, nodeName: string | null): string | null {
  return onlyOn === undefined || onlyOn === nodeName ? resumeRef : null
}

/** What makes an attempt one that goes on from saved work with words of its own, by `tdf continue`. Written once. */
export interface Continued<Change> {
  /** The attempt whose work it goes on from. */
  of: number
  from: ResumeFacts
  /** What is asked for otherwise than by the task itself. */
  change: Change
  /** Of the request: the same key with another hash is another wish. */
  hash: string
}

/** The commit from which a task by url begins, and the bundle that workspaces are made from. */
export interface SourceFacts {
  commit: string
  /** The name of the commit in the bundle: its branch, as a full ref. */
  ref: string
  sha256: string
  bytes: number
  /** Why files in Git LFS are pointers in its workspaces, in words; absent where none is. */
  pointers?: string
}

interface Standing {
  status: string
  step: string | null
  facts: Facts
}

const isBeforeSlot = ({ status, step }: Standing) => step === 'node_selection' && status === 'queued'

/** Whether the repository of a task has to be fetched before it may ask for a slot. */
export function awaitsSource(task: Standing): boolean {
  return task.facts.source === null && isBeforeSlot(task)
}

/** What the task waits for before it may ask for a slot, beside its repository; null where there is nothing. */
export function awaitedBy(task: Standing): Awaited | null {
  return isBeforeSlot(task) ? (task.facts.awaits ?? null) : null
}

/** Whether it asks for a slot. */
export function isQueued(task: Standing): boolean {
  return isBeforeSlot(task) && !awaitsSource(task) && awaitedBy(task) === null
}

/** A permission that the agent of a task with the policy `ask` asks its user for. */
export interface Question {
  requestId: string
  tool: string
  detail: string
}

export interface SessionFacts {
  status: 'starting' | 'running' | 'exited'
  exitCode: number | null
  signal: string | null
  resumeRef: string | null
  /** False once it is known that it takes no further prompt. */
  steerable?: boolean
  /** Of the agent's program, in its own words. */
  agentVersion?: string
  model?: string
  /** While the agent itself tries again to reach its model. */
  retrying?: { attempt: number; reason: string; since: string }
}

/** The last look at a running session. Times are ours; what the agent calls time is only compared for change. */
export interface ProgressFacts {
  lookedAt: number
  output: string | null
  cpuMs: number | null
  /** When its output or its processor time was last seen to have changed. */
  changedAt: number
  outputAt: number
}

export interface ExitFacts {
  exitCode: number | null
  signal: string | null
  errorMessage: string | null
  outcome: AgentOutcome | null
  summary: string | null
  /** Why it did not succeed, in the words of the agent's API; null when that is not known. */
  failure?: string | null
  /** When the usage limit that ended it is lifted, Unix ms. */
  resetAt?: number | null
  /** False: it did nothing, as far as its node can tell. */
  hasActed?: boolean
}

/** What the agent itself reported about its run; `none` when its exit code is all there is. */
export type AgentOutcome = 'success' | 'error' | 'permission_denied' | 'usage_limit' | 'budget' | 'none'

export interface Usage {
  inputTokens: number
  outputTokens: number
  /** Null when it is not known. */
  costUsd: number | null
}
