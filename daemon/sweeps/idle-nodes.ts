/** Idle machines of ours: what a warm node's own wake missed, and what has lived too long. */
import { isServing } from '../../src/core/node.ts'
import { type ReadNode, readNodes } from '../../src/store/tables/nodes.ts'
import { slotsInUse } from '../../src/store/tables/slots.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { nodeSubject } from '../engine/loop.ts'
import { saveNode } from '../engine/save-node.ts'
import { keepsMachines } from '../placement/admission.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './run.ts'

/** What a warm node's own wake is given before the sweep steps in, in ms. */
const GRACE_MS = 60_000

export const idleNodes: Sweep = {
  name: 'idle-nodes',
  everyMs: config => config.sweeps.interval,
  async run(engine) {
    const { store, world, loop } = engine
    const report = { expired: 0, drained: 0, rescheduled: 0 }
    for (const node of readNodes(store.sql)) {
      const now = world.clock.now()
      if (node.wakeAt !== null && !loop.knows(nodeSubject(node.name))) {
        loop.schedule(nodeSubject(node.name), node.wakeAt)
        report.rescheduled += 1
      }
      if (keepsMachines(engine)) continue
      if (isExpired(engine, node, now)) report.expired += await change(engine, node, 'destroying', nodeWaits.removal())
      else if (isTooOld(engine, node, now)) {
        report.drained += await change(engine, node, 'draining', nodeWaits.maxLifetime())
      }
    }
    return report
  },
}

function isExpired({ store }: Engine, node: ReadNode, now: number): boolean {
  const isOver = node.status === 'warm' && node.warmUntil !== null && now > node.warmUntil + GRACE_MS
  return isOver && !slotsInUse(store.sql).has(node.name)
}

function isTooOld({ config }: Engine, node: ReadNode, now: number): boolean {
  return node.autoProvisioned && isServing(node) && now - node.createdAt > config.nodes.maxLifetime
}

async function change(
  engine: Engine,
  node: ReadNode,
  status: 'destroying' | 'draining',
  waitingFor: string,
): Promise<number> {
  const wakeAt = engine.world.clock.now()
  return (await engine.store.commit(() => saveNode(engine, node, { status, waitingFor, wakeAt }))) ? 1 : 0
}
