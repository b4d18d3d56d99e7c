/** What people do to nodes: drain, take back, remove. */
import { TdfError } from '../../src/core/errors.ts'
import { isGone, isServing, type NodeStatus } from '../../src/core/node.ts'
import { pendingOn } from '../../src/store/tables/cleanups.ts'
import { deleteNode, type ReadNode, readNode } from '../../src/store/tables/nodes.ts'
import { liveWorkspaces } from '../../src/store/tables/slots.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { discardWork } from '../engine/effects/discard.ts'
import { nodeSubject } from '../engine/loop.ts'
import { saveNode } from '../engine/save-node.ts'
import type { Engine } from '../services.ts'

export function findNode(engine: Pick<Engine, 'store'>, name: string): ReadNode {
  const node = readNode(engine.store.sql, name)
  if (node) return node
  throw new TdfError('NOT_FOUND', `there is no node "${name}"`, { hint: 'tdf node ls' })
}

/** `dryRun`: refuses what it would refuse, and changes nothing. */
type Flags<Name extends string> = Record<Name | 'dryRun', boolean>

/** No new work; what runs on it goes on. Drained again, it changes nothing. */
export async function drainNode(engine: Engine, name: string, { undo, dryRun }: Flags<'undo'>): Promise<void> {
  const to: NodeStatus = undo ? 'ready' : 'draining'
  await engine.store.answered(() => {
    const node = findNode(engine, name)
    if (node.status === to) return
    if (undo ? node.status !== 'draining' : !isServing(node)) {
      throw new TdfError('WRONG_STATE', `node ${name} is ${node.status}`, { hint: `tdf node show ${name}` })
    }
    if (undo && node.facts.isUnlisted) {
      const message = `node ${name} is not in the configuration any more`
      throw new TdfError('WRONG_STATE', message, { hint: 'tdf config path' })
    }
    if (dryRun) return
    saveNode(engine, node, { status: to, waitingFor: null, wakeAt: engine.world.clock.now() })
  })
}

/**
 * A machine of ours is destroyed, a node of yours that is not in the configuration any more is forgotten, a held one is
 * freed. Refused while work is on it, unless `discardWork` says that it may go.
 */
export async function removeNode(engine: Engine, name: string, { discard, dryRun }: Flags<'discard'>): Promise<void> {
  await engine.store.answered(() => {
    const node = findNode(engine, name)
    refuseWithWork(engine, node, discard)
    if (!discard && !node.autoProvisioned && isConfigured(engine, node)) {
      const message = `node ${name} is in the configuration; remove it there`
      throw new TdfError('WRONG_STATE', message, { hint: 'tdf config path' })
    }
    if (dryRun) return
    if (discard) discardWork(engine, name, `tdf node rm ${name} --discard-work`)
    if (node.autoProvisioned) return destroy(engine, node)
    if (isConfigured(engine, node)) return saveNode(engine, node, { wakeAt: engine.world.clock.now() })
    const forget = staticNode(engine, node)?.forget
    if (forget) engine.store.afterCommit(forget)
    deleteNode(engine.store.sql, name)
    engine.store.append({ type: 'node.removed', nodeName: name, data: {} }, engine.world.clock.now())
    engine.store.afterCommit(() => engine.loop.schedule(nodeSubject(name), null))
  })
}

function refuseWithWork({ store }: Engine, { name, facts }: ReadNode, discard: boolean): void {
  const unsaved = pendingOn(store.sql, name, 'salvage').length
  const working = liveWorkspaces(store.sql, name).length
  if (discard || (unsaved === 0 && working === 0 && !facts.adopted)) return
  if (facts.adopted) {
    const message = `node ${name} was found without an owner, and what is on it is not saved yet`
    throw new TdfError('WRONG_STATE', message, { hint: `tdf node rm ${name} --discard-work` })
  }
  const what = unsaved > 0 ? `the work of ${unsaved} tasks that is not saved` : `${working} workspaces`
  throw new TdfError('WRONG_STATE', `node ${name} has ${what} on it`, {
    hint: unsaved > 0 ? `tdf node rm ${name} --discard-work` : `tdf node drain ${name}`,
  })
}

function destroy(engine: Engine, node: ReadNode): void {
  if (node.status === 'destroying' || isGone(node)) return
  const wakeAt = engine.world.clock.now()
  saveNode(engine, node, { status: 'destroying', waitingFor: nodeWaits.removal(), wakeAt })
}

const staticNode = ({ providers }: Engine, { provider, name }: ReadNode) =>
  providers[provider]?.staticNodes().find(one => one.name === name)

const isConfigured = (engine: Engine, node: ReadNode) => {
  const there = staticNode(engine, node)
  return there !== undefined && there.forget === undefined
}
