/**
 * What goes on for a task right now and is on no row: a fetch of the daemon, the preparation of a machine, an upload to a node
 * and a build there. Asked when a person asks.
 */
import type { Task } from '../../../src/core/task.ts'
import { readNode } from '../../../src/store/tables/nodes.ts'
import { reservationOf } from '../../../src/store/tables/slots.ts'
import type { Engine } from '../../services.ts'

/** Nobody waits longer for an answer that has all but this. */
const ASK_MS = 2_000

/** In words, with percent and bytes where they are known; null when nothing is known. Never throws. */
export async function progressOf(engine: Engine, task: Task, signal: AbortSignal): Promise<string | null> {
  const { step, workspaceId, nodeName } = task
  if (step === 'node_selection') return engine.sources.progress(task)
  if (step === 'node_provisioning' || step === 'node_agent_ready') return preparationFor(engine, task)
  const isBuilding = step === 'workspace_creation' || step === 'workspace_ready'
  if (!isBuilding || workspaceId === null || nodeName === null) return null
  const node = readNode(engine.store.sql, nodeName)
  if (!node) return null
  try {
    const agent = await engine.agents.of(node, signal, ASK_MS)
    return (await agent.workspace(workspaceId))?.doing ?? null
  } catch (thrown) {
    engine.log.debug({ task: task.id, err: String(thrown) }, 'the node does not say how its build goes on')
    return null
  }
}

/** What is done on the machine that the task waits for. */
function preparationFor({ store, providers }: Pick<Engine, 'store' | 'providers'>, task: Task): string | null {
  const name = reservationOf(store.sql, task)?.nodeName
  const node = name === undefined ? undefined : readNode(store.sql, name)
  return node ? (providers[node.provider]?.doing?.(node) ?? null) : null
}
