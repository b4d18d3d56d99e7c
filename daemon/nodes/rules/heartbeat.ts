/** When a node counts as silent: after `heartbeat_stale` it gets no new work, after `lost_after` it is lost. Times in ms. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { Node } from '../../../src/core/node.ts'
import type { NodeInput } from './outcome.ts'

type Limits = Pick<Config, 'nodes'>

/** When the node was last heard of, Unix ms: a heartbeat, or the moment at which it became ready. */
export const heardAtOf = ({ readyAt }: Pick<Node, 'readyAt'>, { heartbeat }: Pick<NodeInput, 'heartbeat'>): number =>
  Math.max(heartbeat?.at ?? 0, readyAt ?? 0)

/** For how long the node has been silent. While the daemon did not listen, nothing could be heard. */
export const silentMs = (heardAt: number, { now, epochAt }: Pick<NodeInput, 'now' | 'epochAt'>): number =>
  now - Math.max(heardAt, epochAt)

/** Too silent for new work. */
export const isStale = (silentForMs: number, { nodes }: Limits): boolean => silentForMs > nodes.heartbeatStale

/** So silent that its attempts end. */
export const isLost = (silentForMs: number, { nodes }: Limits): boolean => silentForMs >= nodes.lostAfter
