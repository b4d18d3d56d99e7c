/** What a handler of a node's journey is handed, and what it gives back. */
import type { Heartbeat } from '../../src/core/node.ts'
import type { NodeState, ReadNode } from '../../src/store/tables/nodes.ts'
import type { Engine } from '../services.ts'

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
