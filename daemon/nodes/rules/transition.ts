/** A change of a node with everything that is written with it. Refuses a status that the table of edges does not allow. */
import { TdfError } from '../../../src/core/errors.ts'
import type { NewEvent } from '../../../src/core/event.ts'
import { canPlace, NODE_EDGES, type Node, type NodeStatus } from '../../../src/core/node.ts'

/** What else is written with the node. */
export type NodeWrite =
  /** Every task that waits for the node or is placed on it looks again. */
  | { kind: 'wake_tasks' }
  /** Tasks that are reserved on it wait in the queue again. */
  | { kind: 'drop_reservations' }
  /** Unsaved work on it is given up, on record. */
  | { kind: 'discard_work'; reason: string }
  /** Waiting tasks may get a slot. */
  | { kind: 'place' }

export interface NodeTransition {
  node: Node
  events: NewEvent[]
  writes: NodeWrite[]
}

export type NodeChange = Partial<Omit<Node, 'name' | 'provider' | 'rev' | 'autoProvisioned' | 'createdAt'>>

/** Throws BUG when the status may not change so. */
export function nodeTransition(
  seen: Node,
  change: NodeChange,
  now: number,
  writes: readonly NodeWrite[] = [],
): NodeTransition {
  const node: Node = { ...seen, ...change, updatedAt: now }
  if (node.status === seen.status) return { node, events: [], writes: [...writes] }
  const allowed: readonly NodeStatus[] = NODE_EDGES[seen.status]
  if (!allowed.includes(node.status)) {
    throw new TdfError('BUG', `node ${seen.name}: ${seen.status} → ${node.status} is no edge of its journey`)
  }
  const data = { from: seen.status, to: node.status, reason: node.waitingFor }
  const freed: readonly NodeWrite[] = canPlace(node) ? [] : [{ kind: 'drop_reservations' }]
  return {
    node,
    events: [{ type: 'node.status', nodeName: seen.name, data }],
    writes: [...writes, { kind: 'wake_tasks' }, ...freed, { kind: 'place' }],
  }
}
