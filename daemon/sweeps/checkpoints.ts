/**
 * Saves what runs have done so far, and once what rests on a machine, so that losing a machine loses little. The local
 * machine is left out: its workspaces lie on the disk that a checkpoint would go to.
 */
import { asTdfError } from '../../src/core/errors.ts'
import { type ReadTask, readAttempt } from '../../src/store/tables/attempts.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { liveWorkspaces } from '../../src/store/tables/slots.ts'
import { saveCheckpoint } from '../results/bring-home.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './run.ts'

const LOOK_MS_MAX = 60_000
const DIAL_MS = 10_000

/** Remembers only when it last saved what: after a start of the daemon everything is due. */
export function checkpoints(): Sweep {
  let savedAt = new Map<string, number>()
  return {
    name: 'checkpoints',
    everyMs: config => Math.min(config.results.checkpointInterval || LOOK_MS_MAX, LOOK_MS_MAX),
    async run(engine, _parts, signal) {
      const report = { checkpoints: 0, failed: 0 }
      const seen = new Map<string, number>()
      for (const { id, taskId, attempt, nodeName } of liveWorkspaces(engine.store.sql)) {
        const before = savedAt.get(id)
        if (before !== undefined) seen.set(id, before)
        const node = readNode(engine.store.sql, nodeName)
        const task = readAttempt(engine.store.sql, { id: taskId, attempt })
        if (!node || !task || node.provider === 'local' || task.workspaceId !== id) continue
        const now = engine.world.clock.now()
        if (dueAt(engine, task, before) > now) continue
        seen.set(id, now)
        try {
          await saveCheckpoint(engine, task, await engine.agents.of(node, signal, DIAL_MS))
          report.checkpoints += 1
        } catch (thrown) {
          if (signal.aborted) throw thrown
          report.failed += 1
          engine.log.debug({ task: task.id, err: asTdfError(thrown).message }, 'a checkpoint could not be made')
        }
      }
      savedAt = seen
      return report
    },
  }
}

/** A run changes all the time, what rests does not. */
function dueAt({ config }: Engine, task: ReadTask, before: number | undefined): number {
  const { checkpointInterval } = config.results
  if (checkpointInterval === 0) return Number.POSITIVE_INFINITY
  if (task.step === 'running') return (before ?? task.stepEnteredAt) + checkpointInterval
  const isResting = task.step === 'awaiting_followup' || (task.step === 'agent_session' && task.status === 'parked')
  const isSaved = (before ?? Number.NEGATIVE_INFINITY) >= task.stepEnteredAt
  return isResting && !isSaved ? task.stepEnteredAt : Number.POSITIVE_INFINITY
}
