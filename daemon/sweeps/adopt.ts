/** A machine that carries our mark and has no row gets one, so that it is looked after from then on. */
import type { Node, ProviderName } from '../../src/node.ts'
import type { MarkedMachine } from '../../src/providers/provider.ts'
import { insertNode } from '../../src/store/nodes.ts'
import type { Engine } from '../deps.ts'
import { adoptedNode } from '../nodes/fresh-node.ts'
import { nodeSubject } from '../subjects.ts'

/** Answers 1, or 0 when it has a row meanwhile. `keptMs` is for how long it is kept if it is never reached. */
export async function adopt(
  engine: Engine,
  provider: ProviderName,
  machine: MarkedMachine,
  keptMs: number,
): Promise<number> {
  const { store, loop, log, world, config } = engine
  const now = world.clock.now()
  const slots = config.nodes.maxWorkspaces
  const node: Node = adoptedNode(provider, machine, { now, slots, deadlineAt: now + keptMs })
  return store.commit(() => {
    if (!insertNode(store.sql, node)) return 0
    log.warn({ node: node.name, server: machine.id }, 'a machine of ours without an owner was taken in')
    const data = { from: null, to: node.status, reason: 'adopted' }
    engine.store.append({ type: 'node.status', nodeName: node.name, data }, now)
    store.afterCommit(() => loop.schedule(nodeSubject(node.name), node.wakeAt))
    return 1
  })
}
