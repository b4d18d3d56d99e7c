/** What every part of the agent is handed. Made once, in `start.ts`. */
import type { World } from '../world.ts'
import type { Limits } from './limits.ts'
import type { Log } from './log.ts'
import type { Slot } from './slots/slot.ts'
import type { Identity } from './state/identity.ts'
import type { Outbox } from './state/outbox.ts'
import type { RegistrationStore } from './state/registration.ts'
import type { Tombstones } from './state/tombstones.ts'
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
  /** Users that run sessions, one workspace each; none: sessions run as we do. */
  slots: readonly Slot[]
  /** Slots that are being cleaned, or cannot be. */
  slotsInCare: Set<string>
  identity: Identity
  registration: RegistrationStore
  outbox: Outbox
  tombstones: Tombstones
  workspaces: Map<string, Workspace>
  /** Folders whose record cannot be read: id → what is wrong. Shown as failed, never touched but by DELETE. */
  damaged: Map<string, string>
  /** Sessions whose end has not been seen yet, by folder. */
  watched: Map<string, () => void>
  /** Aborted when the agent ends. */
  ending: AbortController
}
