/**
 * After `tdf db restore` the database may have forgotten machines, and runs on machines that it knows. Before anything is
 * placed, every machine is asked what is on it. One that was forgotten serves again, and each task that waits gets the
 * slot where its run already is: ids are the same, so that its journey finds what it would have begun.
 */
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { isInUse, type ProviderName } from '../../../src/core/node.ts'
import { type Task, workspaceIdOf } from '../../../src/core/task.ts'
import { sleep } from '../../../src/platform/world.ts'
import type { AgentWorkspace } from '../../../src/protocol/agent-api.ts'
import { readAttempt } from '../../../src/store/tables/attempts.ts'
import { clearRestored, isRestored } from '../../../src/store/tables/meta.ts'
import { type ReadNode, readNode, readNodes } from '../../../src/store/tables/nodes.ts'
import { readWorkspace, reservationOf } from '../../../src/store/tables/slots.ts'
import { obstacles } from '../../../src/text/waiting.ts'
import { placementRequest } from '../../engine/attempts.ts'
import { saveNode } from '../../engine/save-node.ts'
import { giveSlot, WAITS } from '../../placement/pass.ts'
import { mismatch } from '../../placement/place.ts'
import type { Engine } from '../../services.ts'
import type { Report, Sweep } from '../run.ts'
import { adopt, reach } from './recover.ts'

const LOOK_MS = 5_000
/** After this no task waits any longer for a machine that does not answer; what is on it is saved when it does. */
const LOOK_MS_MAX = 10 * 60_000
const ASK_TIMEOUT_MS = 5_000
const ASK_MS_MAX = 30_000

/** At start: nothing is placed before the sweep has asked. */
export function takeUpRestored({ store, admission, log }: Engine): void {
  if (!isRestored(store.sql)) return
  admission.set('restore', obstacles.restore())
  log.info({}, obstacles.restore())
}

interface Round {
  engine: Engine
  signal: AbortSignal
  report: { adopted: number; found: number }
  /** Why a provider or a node has not answered. */
  failures: string[]
}

export const restored: Sweep = {
  name: 'restored',
  atStart: true,
  everyMs: () => LOOK_MS,
  async run(engine, _parts, signal): Promise<Report> {
    const { store, world, loop } = engine
    if (!isRestored(store.sql)) return {}
    const round: Round = { engine, signal, report: { adopted: 0, found: 0 }, failures: [] }
    const absent = await takeIn(round)
    const nodes = readNodes(store.sql).filter(node => mayHaveRuns(node) && !absent.has(node.name))
    await Promise.all(nodes.map(node => ask(round, node)))
    signal.throwIfAborted()
    const isLate = world.clock.now() - loop.epochAt() >= LOOK_MS_MAX
    if (round.failures.length === 0 || isLate) await goOn(round)
    return { ...round.report }
  },
}

const mayHaveRuns = (node: ReadNode) => isInUse(node) || (node.status === 'held' && node.facts.adopted === true)

/** Answers the nodes that their provider does not list. */
async function takeIn(round: Round): Promise<ReadonlySet<string>> {
  const { engine, signal, report, failures } = round
  const absent = new Set<string>()
  for (const [key, provider] of Object.entries(engine.providers)) {
    if (!provider.fleet) continue
    // The keys of the table are provider names.
    const name = key as ProviderName
    try {
      const listed = await provider.fleet.list(signal)
      for (const machine of listed) {
        if (readNode(engine.store.sql, machine.nodeName)) continue
        report.adopted += await adopt(engine, name, machine, engine.config.nodes.heldMax)
      }
      const names = new Set(listed.map(({ nodeName }) => nodeName))
      for (const node of readNodes(engine.store.sql)) {
        if (node.provider === name && !names.has(node.name)) absent.add(node.name)
      }
    } catch (thrown) {
      signal.throwIfAborted()
      failures.push(asTdfError(thrown).message)
    }
  }
  return absent
}

async function ask(round: Round, node: ReadNode): Promise<void> {
  const { engine, signal, report, failures } = round
  const timeUp = new AbortController()
  try {
    // A machine at its first boot takes minutes to be reached. What is under way goes on, and the next round finds it.
    const silence = sleep(engine.world.clock, ASK_MS_MAX, timeUp.signal).then(() => {
      throw new TdfError('NODE_UNREACHABLE', `node ${node.name} has not answered within ${ASK_MS_MAX / 1_000} s`)
    })
    report.found += await Promise.race([found(round, node), silence])
  } catch (thrown) {
    if (!signal.aborted) failures.push(asTdfError(thrown).message)
  } finally {
    timeUp.abort()
  }
}

async function found({ engine, signal }: Round, node: ReadNode): Promise<number> {
  const client =
    node.status === 'held' ? await reach(engine, node, signal) : await engine.agents.of(node, signal, ASK_TIMEOUT_MS)
  const workspaces = await client.workspaces()
  return engine.store.commit(() => keep(engine, node.name, workspaces))
}

/** Inside a write. Answers how many tasks have found their run. */
function keep(engine: Engine, name: string, workspaces: readonly AgentWorkspace[]): number {
  const { store, world } = engine
  const now = world.clock.now()
  const node = readNode(store.sql, name)
  if (!node) return 0
  const tasks = workspaces.flatMap(workspace => ownerOf(engine, node, workspace) ?? [])
  const rest = workspaces.filter(
    one => !ownerOf(engine, node, one) && readWorkspace(store.sql, one.workspaceId)?.nodeName !== name,
  )
  // Workspaces of unknown tasks are saved by the sweep of machines; until then the node takes no other work and stays.
  const { adopted: _, ...served } = node.facts
  const facts = rest.length > 0 ? { ...served, adopted: true } : served
  if (node.status === 'held') {
    // The node was written during the handshake: the next round does it again.
    if (node.stateId === null) throw new TdfError('NODE_UNREACHABLE', `node ${name} has not been reached yet`)
    const about = { readyAt: now, deadlineAt: null, waitingFor: null, wakeAt: now }
    saveNode(engine, node, { ...about, status: 'ready', facts })
  } else if (node.autoProvisioned && rest.length > 0) {
    // On a static node it may belong to another installation.
    const status = node.status === 'warm' ? 'ready' : node.status
    saveNode(engine, node, { status, warmUntil: null, facts, wakeAt: now })
  }
  for (const task of tasks) {
    const reserved = reservationOf(store.sql, task)?.nodeName ?? null
    if (reserved !== name) giveSlot(engine, { ...placementRequest(store.sql, task), reserved }, name, now)
  }
  return tasks.length
}

/** The task that waits for a slot and would have made this very workspace, where it may run on this node. */
function ownerOf({ store: { sql } }: Engine, node: ReadNode, workspace: AgentWorkspace): Task | undefined {
  const { workspaceId, taskId, attempt, status } = workspace
  const task = readAttempt(sql, { id: taskId, attempt })
  const waits = task?.status === 'queued' && task.workspaceId === null && WAITS.includes(task.step)
  const isAlive = status === 'creating' || status === 'ready'
  if (!waits || !isAlive || workspaceIdOf(taskId, attempt, task.placement) !== workspaceId) return undefined
  return mismatch(placementRequest(sql, task), node) === null ? task : undefined
}

async function goOn({ engine, failures }: Round): Promise<void> {
  const { store, admission, placementChanged } = engine
  for (const message of failures) {
    const said = `after a restored database: ${message}; what runs there may be begun anew, and is saved when it answers`
    engine.log.warn({}, said)
  }
  await store.commit(() => clearRestored(store.sql))
  if (admission.set('restore', null)) placementChanged()
}
