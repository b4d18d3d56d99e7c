/**
 * What is on a machine that no row of ours owned, such as after a restored backup: the work of an attempt that is over and
 * has none becomes its result, every other workspace is saved into a file of its own; then the machine goes, or serves as
 * before where tasks have found their runs on it.
 */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { AgentClient } from '../../../src/clients/agent.ts'
import { asTdfError } from '../../../src/core/errors.ts'
import type { Node, ProviderName } from '../../../src/core/node.ts'
import { resultRefOf, type Task } from '../../../src/core/task.ts'
import type { MarkedMachine } from '../../../src/machines/provider.ts'
import type { AgentWorkspace } from '../../../src/protocol/agent-api.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import { insertNode, type ReadNode, readNode } from '../../../src/store/tables/nodes.ts'
import { readWorkspace, reservationOf } from '../../../src/store/tables/slots.ts'
import { nodeWaits } from '../../../src/text/waiting.ts'
import { fillIn } from '../../engine/cleanup.ts'
import { nodeSubject } from '../../engine/loop.ts'
import { saveNode } from '../../engine/save-node.ts'
import { handshake } from '../../nodes/contact.ts'
import { adoptedNode } from '../../nodes/new-node.ts'
import { recordFailure } from '../../reporting/failures.ts'
import { bringHome } from '../../results/bring-home.ts'
import type { Engine } from '../../services.ts'

/** Answers how many workspaces were saved. Never throws but for `signal`. */
export async function recoverAdopted(
  engine: Engine,
  stateDir: string,
  node: ReadNode,
  signal: AbortSignal,
): Promise<number> {
  let saved = 0
  try {
    const client = await reach(engine, node, signal)
    for (const workspace of await client.workspaces()) {
      if (isSpokenFor(engine, node, workspace)) continue
      if (await save(engine, stateDir, node, client, workspace)) saved += 1
      await client.deleteWorkspace(workspace.workspaceId)
    }
    await release(engine, node, saved === 0 ? 'nothing was on it' : `${saved} workspaces were saved`)
  } catch (thrown) {
    signal.throwIfAborted()
    const { message } = asTdfError(thrown)
    const isLate = engine.world.clock.now() >= (node.deadlineAt ?? 0)
    if (isLate && node.status === 'held') await release(engine, node, `it was never reached: ${message}`)
    else engine.log.warn({ node: node.name, err: message }, 'a machine that was taken in could not be looked at yet')
  }
  return saved
}

/** At the first answer of the machine its deadline is set anew: `held_max`, as for every machine with work on it. */
export async function reach(engine: Engine, node: ReadNode, signal: AbortSignal): Promise<AgentClient> {
  if (node.stateId !== null) return engine.agents.of(node, signal)
  const handshaken = await handshake(engine, node, signal)
  const deadlineAt = engine.world.clock.now() + engine.config.nodes.heldMax
  const change = { ...handshaken, facts: { ...node.facts, ...handshaken.facts }, deadlineAt }
  await engine.store.commit(() => saveNode(engine, node, change))
  return engine.agents.of({ ...node, ...handshaken }, signal)
}

/** A task has the workspace on this node, or is about to. */
function isSpokenFor({ store: { sql } }: Engine, node: ReadNode, workspace: AgentWorkspace): boolean {
  const { workspaceId, taskId, attempt } = workspace
  const placed = readWorkspace(sql, workspaceId)
  if (placed?.nodeName === node.name && placed.releasedAt === null) return true
  return reservationOf(sql, { id: taskId, attempt })?.nodeName === node.name
}

/** True when there was something to save. */
async function save(
  engine: Engine,
  stateDir: string,
  node: ReadNode,
  client: AgentClient,
  { workspaceId, taskId, attempt, status }: AgentWorkspace,
): Promise<boolean> {
  if (status === 'creating' || status === 'failed') return false
  await client.stopWorkspace(workspaceId)
  const task = readAttempt(engine.store.sql, { id: taskId, attempt })
  if (task && hasNoWork(task) && !isElsewhere(engine, task, workspaceId, node)) {
    const saved = await bringHome(engine, { ...task, workspaceId }, client)
    await engine.store.commit(() => fillIn(engine, task, node.name, saved))
    return true
  }
  const ref = resultRefOf(taskId, attempt)
  const folder = path.join(stateDir, 'recovered')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, `${workspaceId}.bundle`)
  const { commit } = await client.salvage(workspaceId, ref)
  if (!(await client.bundle(workspaceId, ref, [], file))) return false
  const message = `the work of ${taskId} on ${node.name} is at ${commit} in ${file}: git fetch ${file} ${ref}`
  await engine.store.commit(() => recordRecovery(engine, node.name, taskId, message))
  return true
}

/** One that still runs, or goes on, comes to a result of its own: that is never replaced. */
const hasNoWork = ({ step, result, facts }: Task) => step === null && result === null && !facts.saved

/** A row says that the work was begun on another node. */
function isElsewhere({ store }: Engine, task: Task, workspaceId: string, { name }: ReadNode): boolean {
  const placed = readWorkspace(store.sql, workspaceId)?.nodeName ?? task.nodeName ?? name
  return placed !== name
}

async function release(engine: Engine, { name }: ReadNode, reason: string): Promise<void> {
  const { store, world } = engine
  await store.commit(() => {
    const node = readNode(store.sql, name)
    if (!node?.facts.adopted) return
    const wakeAt = world.clock.now()
    if (node.status === 'held') {
      saveNode(engine, node, { status: 'destroying', wakeAt, waitingFor: nodeWaits.removal() })
      return recordRecovery(engine, name, null, `machine ${name} had no owner and is removed: ${reason}`)
    }
    const { adopted: _, ...facts } = node.facts
    saveNode(engine, node, { facts, wakeAt })
    engine.placementChanged()
    recordRecovery(engine, name, null, `machine ${name} had no owner and serves again: ${reason}`)
  })
}

/** Inside a write: in the journal, and among the failures that people look at. */
function recordRecovery(engine: Engine, nodeName: string, taskId: string | null, message: string): void {
  const at = engine.world.clock.now()
  engine.store.append({ type: 'node.recovered', nodeName, taskId, data: { message } }, at)
  const id = `recovered-${nodeName}-${taskId ?? ''}`
  recordFailure(engine, { id, level: 'warn', source: 'sweep', taskId, code: 'MACHINE_RECOVERED', message })
}

/**
 * Gives a machine that carries our labels and has no row a row of its own, so that it is looked after from then on.
 * Answers 1, or 0 when it has a row meanwhile. `keptMs` is for how long it is kept if it is never reached.
 */
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
