/** A held node takes no work and is not destroyed: somebody's work is still on it. */
import { readNode } from '../../src/store/nodes.ts'
import type { Engine } from '../deps.ts'
import { saveNode } from './save-node.ts'

const HOLDABLE = ['ready', 'warm', 'draining', 'lost', 'destroying']

/** Inside a write: the node waits for the work to be saved, at most `held_max`. */
export function holdNode(engine: Engine, name: string | null, now: number): void {
  const node = name === null ? undefined : readNode(engine.store.sql, name)
  if (!node || !HOLDABLE.includes(node.status)) return
  const { heldMax } = engine.config.nodes
  saveNode(engine, node, {
    status: 'held',
    wakeAt: now,
    deadlineAt: now + heldMax,
    waitingFor: 'the work on it to be saved',
  })
}
