/**
 * Rows and machines in both directions: a machine of ours that no row owns is adopted and emptied, one that should be
 * gone is removed, a row whose machine is gone learns of it, and the lease of a machine in use is renewed. What is missing
 * in a list proves nothing by itself.
 */
import { asTdfError } from '../../src/core/errors.ts'
import { hasMachine, isInUse, isOver, type ProviderName } from '../../src/core/node.ts'
import type { MarkedFleet, MarkedMachine } from '../../src/machines/provider.ts'
import { isRestored } from '../../src/store/tables/meta.ts'
import { type ReadNode, readNode, readNodes } from '../../src/store/tables/nodes.ts'
import { nodeWaits } from '../../src/text/waiting.ts'
import { saveNode } from '../engine/save-node.ts'
import { leaseMs } from '../nodes/new-node.ts'
import type { Engine } from '../services.ts'
import { adopt, recoverAdopted } from './restored/recover.ts'
import type { Sweep } from './run.ts'

/** A mistake of ours, or of a list, must not cost more than this in one round. */
const REMOVED_MAX = 5

export const machines: Sweep = {
  name: 'machines',
  atStart: true,
  everyMs: config => config.sweeps.interval,
  async run(engine, parts, signal) {
    const report = { adopted: 0, removed: 0, vanished: 0, renewed: 0, recovered: 0 }
    for (const [name, provider] of Object.entries(engine.providers)) {
      if (!provider.fleet) continue
      const listed = await provider.fleet.list(signal)
      const round = { engine, fleet: provider.fleet, provider: name as ProviderName, signal, report }
      for (const machine of listed) await lookAtOne(round, machine)
      const seen = new Set(listed.map(({ nodeName }) => nodeName))
      for (const node of readNodes(engine.store.sql)) {
        if (node.provider !== name) continue
        if (!seen.has(node.name)) await lookFor(round, node)
        else if (isToRecover(node) && !isRestored(engine.store.sql)) {
          report.recovered += await recoverAdopted(engine, parts.stateDir, node, signal)
        }
      }
    }
    return report
  },
}

const isToRecover = (node: ReadNode) => node.facts.adopted === true && (isInUse(node) || node.status === 'held')

interface Round {
  engine: Engine
  fleet: MarkedFleet
  provider: ProviderName
  signal: AbortSignal
  report: Record<'adopted' | 'removed' | 'vanished' | 'renewed', number>
}

/** One that cannot be changed now keeps no other from being looked at. */
async function lookAtOne(round: Round, machine: MarkedMachine): Promise<void> {
  const { engine, signal } = round
  try {
    await lookAt(round, machine)
  } catch (thrown) {
    signal.throwIfAborted()
    const about = { node: machine.nodeName, server: machine.id, err: asTdfError(thrown).message }
    engine.log.warn(about, 'a machine could not be looked after, and will be in the next round')
  }
}

async function lookAt(round: Round, machine: MarkedMachine): Promise<void> {
  const { engine, fleet, signal, report } = round
  const { config, store, world } = engine
  const now = world.clock.now()
  const node = readNode(store.sql, machine.nodeName)
  const isYoung = now - Math.max(machine.createdAt, node?.updatedAt ?? 0) < config.sweeps.orphanMinAge
  if (!node) {
    // Right after a restore they are taken in as nodes that serve (restored.ts).
    if (isYoung || report.adopted >= REMOVED_MAX || isRestored(store.sql)) return
    // Time for two looks: a machine that is never reached in it has never been of use.
    report.adopted += await adopt(engine, round.provider, machine, 2 * config.sweeps.interval)
  } else if (isOver(node)) {
    if (isYoung || report.removed >= REMOVED_MAX) return
    engine.log.warn({ node: node.name, server: machine.id }, 'a machine that should be gone is still there')
    await store.settled()
    await fleet.remove(machine, signal)
    report.removed += 1
  } else if (machine.leaseUntil === null || machine.leaseUntil < now + config.nodes.heldMax) {
    await fleet.renew(machine, now + leaseMs(config.nodes.heldMax), signal)
    report.renewed += 1
  }
}

/** It was not listed: only an answer about it alone says that it is gone. */
async function lookFor({ engine, signal, report }: Round, node: ReadNode): Promise<void> {
  if (!hasMachine(node)) return
  const machine = await engine.providers[node.provider]?.find(node, signal)
  if (machine?.state !== 'gone') return
  const facts = { ...node.facts, error: 'its machine is gone' }
  const wakeAt = engine.world.clock.now()
  const change = { status: 'lost', facts, wakeAt, waitingFor: nodeWaits.disappearance() } as const
  if (await engine.store.commit(() => saveNode(engine, node, change))) report.vanished += 1
}
