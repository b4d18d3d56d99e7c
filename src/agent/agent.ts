/** What every part of the agent is handed, made once in `start.ts`, and the agent's own limits. */
import type { World } from '../platform/world.ts'
import type { RequestAnswer } from '../protocol/callbacks.ts'
import { BUNDLE_WAIT_MS, KILL_GRACE_MS } from '../protocol/shapes.ts'
import type { Log } from './errors.ts'
import type { Slot } from './isolation/slot.ts'
import type { Identity, RegistrationStore, Tombstones } from './state/identity.ts'
import type { Outbox } from './state/outbox.ts'
import type { Workspace } from './workspaces/workspace.ts'

export interface Agent {
  world: World
  log: Log
  limits: Limits
  /** The state folder. */
  state: string
  /** How this program is started, to start session runners: Node and the script. */
  program: readonly [string, ...string[]]
  env: NodeJS.ProcessEnv
  /** Users that run sessions, one workspace each; without any, sessions run as the agent's own user. */
  slots: readonly Slot[]
  /** Slots that are being emptied, or could not be. */
  slotsInCare: Set<string>
  identity: Identity
  registration: RegistrationStore
  outbox: Outbox
  /** By which agents hand tasks over. */
  relay: Relay
  tombstones: Tombstones
  workspaces: Map<string, Workspace>
  /** Workspace folders whose record cannot be read: id → reason. Shown as failed, removed only by DELETE. */
  damaged: Map<string, string>
  /** Sessions whose end has not been seen yet, by folder. */
  watched: Map<string, () => void>
  /** Aborted when the agent ends. */
  ending: AbortController
}

/** By which agents hand tasks over: see http/relay.ts. */
export interface Relay {
  /** Opens the port, the same as before where it is free. It is open from then on. */
  open(): Promise<void>
  /** What the command of a session is told to call; null where its task hands nothing over. */
  urlOf(session: { workspaceId: string; sessionId: string; maySpawn?: true | undefined }): string | null
  answered(workspaceId: string, answer: RequestAnswer): void
  stop(): Promise<void>
}

/** What the steps of a build share. */
export interface BuildContext {
  agent: Agent
  workspace: Workspace
  signal: AbortSignal
  /** Where the work tree is made; it moves to its place when it is whole. */
  tree: string
}

/** Every limit of the agent that is not part of the protocol. Some can be set by the environment. */
export interface Limits {
  /** Output of one session that is kept; beyond it only the tail is. */
  logBytesMax: number
  /** Changed and untracked files that one salvage takes along. */
  salvageBytesMax: number
  killGraceMs: number
  bundleWaitMs: number
  /** How long the start of a session may take before the caller is told to ask again. */
  startWaitMs: number
  buildsAtOnceMax: number
  /** A clone with everything that is tried again. */
  cloneMs: number
  /** The delay before a clone that failed is tried the second time; it doubles. */
  cloneRetryMs: number
  /** One git call of a build or a salvage. */
  gitMs: number
  /** What is kept of all sources together, for the next task on them. */
  sourcesBytesMax: number
  /** With less room than this on the disk nothing is kept of sources. */
  diskLowBytes: number
  /** The agent ends when nothing has needed it for so long; 0: never. */
  idleMs: number
}

const MIB = 1024 * 1024

export function limitsFrom(env: NodeJS.ProcessEnv): Limits {
  return {
    logBytesMax: numberFrom(env, 'TDF_LOG_MAX_BYTES', 64 * MIB),
    salvageBytesMax: numberFrom(env, 'TDF_SALVAGE_MAX_BYTES', 256 * MIB),
    killGraceMs: numberFrom(env, 'TDF_KILL_GRACE_MS', KILL_GRACE_MS),
    bundleWaitMs: BUNDLE_WAIT_MS,
    startWaitMs: 20_000,
    buildsAtOnceMax: 2,
    cloneMs: numberFrom(env, 'TDF_CLONE_MS', 30 * 60_000),
    cloneRetryMs: numberFrom(env, 'TDF_CLONE_RETRY_MS', 1_000),
    gitMs: 5 * 60_000,
    sourcesBytesMax: numberFrom(env, 'TDF_SOURCES_MAX_BYTES', 10 * 1024 * MIB),
    diskLowBytes: numberFrom(env, 'TDF_DISK_LOW', 1024 * MIB),
    idleMs: numberFrom(env, 'TDF_AGENT_IDLE_MS', 0),
  }
}

function numberFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : fallback
}

/** The daemon sends its limits with every registration: they come before those that the agent was started with. */
type Reported = Pick<Agent, 'limits' | 'registration'>

export const logBytesMax = ({ limits, registration }: Reported): number =>
  registration.current()?.limits?.logMaxBytes ?? limits.logBytesMax

export const salvageBytesMax = ({ limits, registration }: Reported): number =>
  registration.current()?.limits?.salvageMaxBytes ?? limits.salvageBytesMax

export const diskLowBytes = ({ limits, registration }: Reported): number =>
  registration.current()?.limits?.diskLowBytes ?? limits.diskLowBytes
