/** What the daemon is made of. Built once in main.ts; tests build it with models and a simulated clock. */
import type { AgentClient } from '../src/clients/agent.ts'
import type { LoadedConfig } from '../src/config/load/load.ts'
import type { Config } from '../src/config/schema/config.ts'
import type { Node } from '../src/core/node.ts'
import type { Provider } from '../src/machines/provider.ts'
import type { Install } from '../src/platform/install.ts'
import type { Log, RootLog } from '../src/platform/log.ts'
import type { Paths } from '../src/platform/paths.ts'
import type { World } from '../src/platform/world.ts'
import type { Sandbox } from '../src/protocol/agent-api.ts'
import type { Store } from '../src/store/store.ts'
import type { ReadTask } from '../src/store/tables/attempts.ts'
import type { Signal } from '../src/store/tables/inbox.ts'
import type { Loop, Subject } from './engine/loop.ts'
import type { Admission } from './placement/admission.ts'
import type { Queue } from './placement/queue.ts'
import type { DaemonMetrics } from './reporting/metrics.ts'
import type { Watchers } from './reporting/watchers.ts'
import type { Servers } from './results/push/servers.ts'
import type { Results, Sources } from './results/results.ts'

export interface Deps {
  world: World
  config: Config
  log: Log
  store: Store
  install: Install
  providers: Readonly<Partial<Record<Node['provider'], Provider>>>
  results: Results
  sources: Sources
  servers: Servers
  /** What nodes are told to call. */
  callbackUrl: () => string
  bundleFile(sha256: string): string
  secrets(names: readonly string[]): Record<string, string>
  /** What confines the commands of tasks on the local node; left out: nothing does. */
  localSandbox?: () => Sandbox | null
}

/** Clients of the nodes' agents, each proved to be its node's own before it is handed out. */
export interface Agents {
  /** Throws NODE_UNREACHABLE, or NODE_REPLACED when another agent answers in its place. */
  of(node: Node, signal: AbortSignal, timeoutMs?: number): Promise<AgentClient>
  /** A client whose agent is not yet proved: for the first words only. */
  unverified(node: Node, signal: AbortSignal): Promise<AgentClient>
  /** The next use proves again who answers. */
  forget(nodeName: string): void
  /** The way there is gone: it has to be found and greeted anew. */
  disconnected(nodeName: string): void
  /** What the node has to call by the way that is open to it now. */
  callbackUrl(nodeName: string): string | undefined
  /** The node knows what to call. */
  handshakeDone(nodeName: string): void
  /** Whether the node may not know what to call: this daemon never told it, or the way that is open now is another. */
  needsHandshake(nodeName: string): boolean
}

export interface JustWritten {
  task: ReadTask
  /** Its open signals; undefined when they have to be read. A new signal drops the entry. */
  signals: Signal[] | undefined
}

export interface Engine extends Deps {
  loop: Loop
  admission: Admission
  metrics: DaemonMetrics
  agents: Agents
  queue: Queue
  watchers: Watchers
  /** Attempts as they were stored a moment ago, for the run that follows at once; each is taken once. */
  justWritten: Map<Subject, JustWritten>
  /** Tasks whose signals could not be applied inline: the next one is left to their hop. */
  deferred: Set<Subject>
  /** Something changed that may give a waiting task its slot. Call it inside a write. */
  placementChanged(): void
}

/** What a daemon is started with. */
export interface DaemonOptions {
  world: World
  paths: Paths
  loaded: LoadedConfig
  log: RootLog
  env: NodeJS.ProcessEnv
  /** The agent program, one file. */
  agentProgram: string
}
