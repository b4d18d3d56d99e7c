/**
 * The journey of a node: one handler a status. `ordered → creating → booting → ready → (warm) → draining → destroying →
 * destroyed`, or `held`, `lost`, `failed`. A task never talks to a provider; it waits for its node.
 */
import type { NodeStatus } from '../../src/core/node.ts'
import { booting, creating } from './coming.ts'
import { destroying, held, lost } from './going.ts'
import type { NodeHandler } from './handler.ts'
import { draining, serving } from './serving.ts'

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
