/**
 * The journey of a node: one handler a status. `ordered → creating → booting → ready → (warm) → draining → destroying →
 * destroyed`, or `held`, `lost`, `failed`. A task never talks to a provider; it waits for its node.
 */
import type { Heartbeat, NodeStatus } from '../../src/node.ts'
import type { NodeState, ReadNode } from '../../src/store/nodes.ts'
import type { Engine } from '../deps.ts'
import { booting } from './booting.ts'
import { creating } from './creating.ts'
import { destroying } from './destroying.ts'
import { draining } from './draining.ts'
import { held } from './held.ts'
import { lost } from './lost.ts'
import { serving } from './serving.ts'

export interface NodeContext {
  engine: Engine
  now: number
  /** The last that was heard of it. */
  heartbeat: Heartbeat | null
  /** Workspaces that occupy a slot, reservations, and work on it that is not saved yet. */
  workspaces: number
  reservations: number
  unsaved: number
  signal: AbortSignal
}

/** When to look again, in ms (null: never), and what has changed. */
export type NodeOutcome = Partial<NodeState> & { ms: number | null }

export type NodeHandler = (ctx: NodeContext, node: ReadNode) => Promise<NodeOutcome>

export const nodeJourney: Readonly<Record<NodeStatus, NodeHandler>> = {
  ordered: async () => ({ status: 'creating', ms: 0 }),
  creating,
  booting,
  ready: serving,
  warm: serving,
  draining,
  destroying,
  held,
  lost,
  failed: async () => ({ ms: null }),
  destroyed: async () => ({ ms: null }),
}
