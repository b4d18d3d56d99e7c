/**
 * What stands on a node without an owner: a workspace of a task of ours that is over, superseded or released. A
 * workspace of an unknown task belongs to another installation and is only reported.
 */
import { asTdfError } from '../../src/core/errors.ts'
import { isInUse } from '../../src/core/node.ts'
import type { AgentWorkspace } from '../../src/protocol/agent-api.ts'
import { readAttempt } from '../../src/store/tables/attempts.ts'
import { type ReadNode, readNodes } from '../../src/store/tables/nodes.ts'
import { readWorkspace } from '../../src/store/tables/slots.ts'
import { newestKey } from '../../src/store/tables/tasks.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './run.ts'

const NODE_TIMEOUT_MS = 5_000
const REMOVED_MAX = 20

export const orphans: Sweep = {
  name: 'orphans',
  everyMs: config => config.sweeps.interval,
  async run(engine, _parts, signal) {
    const report = { removed: 0, foreign: 0, unreachable: 0 }
    for (const node of readNodes(engine.store.sql)) {
      if (!isInUse(node)) continue
      try {
        await sweepNode(engine, node, report, signal)
      } catch (thrown) {
        if (signal.aborted) throw thrown
        report.unreachable += 1
        engine.log.debug({ node: node.name, err: asTdfError(thrown).message }, 'a node could not be swept')
      }
    }
    return report
  },
}

type Counts = Record<'removed' | 'foreign', number>

async function sweepNode(engine: Engine, node: ReadNode, report: Counts, signal: AbortSignal): Promise<void> {
  const agent = await engine.agents.of(node, signal, NODE_TIMEOUT_MS)
  for (const workspace of await agent.workspaces()) {
    const owner = ownerOf(engine, workspace)
    if (owner === 'foreign') report.foreign += 1
    if (owner !== 'over' || report.removed >= REMOVED_MAX) continue
    await engine.store.settled()
    await agent.deleteWorkspace(workspace.workspaceId)
    report.removed += 1
  }
}

/** Over: nothing of ours will ever ask for it again, and what was in it is saved or was never worth saving. */
function ownerOf({ store, world, config }: Engine, workspace: AgentWorkspace): 'live' | 'over' | 'foreign' {
  const { workspaceId, taskId, attempt } = workspace
  if (!newestKey(store.sql, taskId)) return 'foreign'
  const row = readWorkspace(store.sql, workspaceId)
  const task = readAttempt(store.sql, { id: taskId, attempt })
  if (!row || !task) return 'foreign'
  if (row.releasedAt === null) return 'live'
  const keptMs = Math.min(config.sweeps.orphanMinAge, config.sweeps.interval)
  return world.clock.now() - row.releasedAt > keptMs ? 'over' : 'live'
}
