/** What a step is handed: the time, the signals of its task, and clients for the outside. No store, no clock. */
import type { AgentClient } from '../../src/clients/agent.ts'
import type { Config } from '../../src/config/schema/config.ts'
import type { AgentSpec } from '../../src/core/agent.ts'
import type { Node } from '../../src/core/node.ts'
import type { Step, Task } from '../../src/core/task.ts'
import type { Sandbox } from '../../src/protocol/agent-api.ts'
import type { CleanupItem } from '../../src/store/tables/cleanups.ts'
import type { Signal } from '../../src/store/tables/inbox.ts'
import type { Hold } from '../engine/rules/budgets.ts'
import type { Outcome } from '../engine/rules/outcome.ts'
import type { Results, Sources } from '../results/results.ts'

export interface StepContext {
  /** Fixed for this run of the step: it cannot watch time pass, only ask to be woken. */
  now: number
  config: Config
  /** The signals that the attempt has not used yet, oldest first. */
  signals: readonly Signal[]
  /** The node on which a slot is reserved for this attempt. */
  reservedNode: string | null
  /** The status of the attempt's workspace as last reported; `lost` when its agent came back without it. */
  workspaceStatus: string | null
  /** Undefined for a name that is null or not known. */
  node(name: string | null): Node | undefined
  /** A client whose agent proved to be the node's own. Throws NODE_UNREACHABLE or NODE_REPLACED. */
  agent(nodeName: string): Promise<AgentClient>
  /** Whether a task that rested may go on there: a local node has its slots for those that work. */
  hasRoom(nodeName: string | null): boolean
  /** The workspace's callback token; it can be made again at any time. */
  callbackToken(task: Task): string
  bundleFile(sha256: string): string
  /** Who we are to nodes, which may serve others too. */
  installId: string
  /** What confines the commands of tasks on this node; null where nothing does. */
  sandbox(nodeName: string): Sandbox | null
  /** Values for the named variables, from the daemon's secrets or environment; unknown names are left out. */
  secrets(names: readonly string[]): Record<string, string>
  /** Until when the account of an agent has nothing left, Unix ms; null when it has. */
  limitOf(agent: AgentSpec): number | null
  /** What the agents of the attempt said and did so far, the newest first, at most so many characters as a session takes. */
  transcript(): Promise<string>
  /** The saved work of others that the task begins from, in the order in which it was asked for. */
  workBefore: readonly { id: string; ref: string; commit: string }[]
  /** What keeps the task from costing more, with `moreUsd` that are not on record yet; null where nothing does. */
  budgetHold(task: Task, moreUsd: number): Hold | null
  /** What earlier attempts of the task cost, in USD. */
  spentBefore: number
  results: Results
  sources: Sources
  /** Tries what is left to undo outside and records each success; answers what is still left. */
  undo(): Promise<CleanupItem[]>
  /** When we last began to look at the outside: a start, a gap of the clock, or a reconnection. */
  epochAt: number
  /** Ends the run of this step: the task was cancelled or the daemon stops. */
  signal: AbortSignal
}

/** What a signal alone is judged by: no calls. */
export type InlineContext = Omit<StepContext, 'agent' | 'undo' | 'results' | 'sources' | 'signal' | 'transcript'>

export type StepHandler<Next extends Step> = (ctx: StepContext, task: Task) => Promise<Outcome<Next>>

/** Undefined where the signals do not decide by themselves what comes next. */
export type InlineHandler<Next extends Step> = (ctx: InlineContext, task: Task) => Outcome<Next> | undefined
