/** The nodes that are simply there, as the configuration has them now: new ones get a row, rows take over what was changed. */
import type { Node } from '../../src/core/node.ts'
import { isServing } from '../../src/core/node.ts'
import type { Provider, StaticNode } from '../../src/machines/provider.ts'
import { insertNode, type ReadNode, readNode, readNodes } from '../../src/store/tables/nodes.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { saveNode } from '../engine/save-node.ts'
import type { Engine } from '../services.ts'
import { newStaticNode } from './new-node.ts'

/** Inside a write, before anything runs. */
export function takeOverStandingNodes(engine: Engine): void {
  const { store, providers, world } = engine
  const listed = new Set<string>()
  // The keys of the table are provider names.
  for (const [name, provider] of Object.entries(providers) as [Node['provider'], Provider][]) {
    for (const standing of provider.staticNodes()) {
      listed.add(standing.name)
      const node = readNode(store.sql, standing.name)
      if (node === undefined) insertNode(store.sql, newStaticNode(name, standing, world.clock.now()))
      else if (!node.autoProvisioned) takeOver(engine, node, standing)
    }
  }
  for (const node of readNodes(store.sql)) if (!node.autoProvisioned && !listed.has(node.name)) leave(engine, node)
}

function takeOver(engine: Engine, node: ReadNode, { size, location, address, maxWorkspaces }: StaticNode): void {
  const { isUnlisted, ...facts } = node.facts
  const isSame =
    node.size === size &&
    node.location === location &&
    node.address === address &&
    node.maxWorkspaces === maxWorkspaces &&
    isUnlisted === undefined
  if (isSame) return
  const back = isUnlisted && node.status === 'draining' ? ({ status: 'ready', waitingFor: null } as const) : {}
  saveNode(engine, node, { size, location, address, maxWorkspaces, facts, ...back })
}

/** It gets no new work; what runs on it ends and comes home by the way that it was last reached. */
function leave(engine: Engine, node: ReadNode): void {
  // One that its user drained stays so when it is back in the configuration.
  if (node.facts.isUnlisted || node.status === 'draining') return
  const facts = { ...node.facts, isUnlisted: true }
  const drained = isServing(node) ? ({ status: 'draining', waitingFor: nodeWaits.listing(node.name) } as const) : {}
  saveNode(engine, node, { facts, ...drained })
}
