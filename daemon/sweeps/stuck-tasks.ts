/**
 * Tasks that should be moving and are not. Adopts first: a live attempt that the loop does not know gets its wake back,
 * one that an older program left unmarked gets the earliest step whose facts it lacks. Fails second, and only what is
 * past its own step's deadline by more than anything legal could take, with a full diagnosis on record.
 */
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import type { AttemptKey, Task } from '../../src/core/task.ts'
import { type ReadTask, readAttempt, readLive } from '../../src/store/tables/attempts.ts'
import { dueCleanups } from '../../src/store/tables/cleanups.ts'
import { liveWorkspaces } from '../../src/store/tables/slots.ts'
import { ENGINE_VERSION, placementRequest } from '../engine/attempts.ts'
import { undo } from '../engine/cleanup.ts'
import { decisionInput } from '../engine/effects/input.ts'
import { taskSubject } from '../engine/loop.ts'
import { end, late } from '../engine/rules/ending.ts'
import { enter, type Transition } from '../engine/rules/transition.ts'
import { save } from '../engine/save.ts'
import type { Engine } from '../services.ts'
import type { Sweep } from './run.ts'

/** Beyond the deadline and the longest wait for a silent node, in ms. */
const GRACE_MS = 60_000

export const stuckTasks: Sweep = {
  name: 'stuck-tasks',
  everyMs: config => config.sweeps.interval,
  async run(engine) {
    const { store, loop } = engine
    const report = { adopted: 0, rescheduled: 0, ended: 0 }
    for (const key of readLive(store.sql)) {
      const task = readOrNone(engine, key)
      if (!task) continue
      if (task.engineVersion === null) report.adopted += await adopt(engine, task)
      else if (isPastEverything(engine, task)) report.ended += await endLate(engine, task)
      else if (!loop.knows(taskSubject(task))) {
        loop.schedule(taskSubject(task), task.wakeAt)
        report.rescheduled += 1
      }
    }
    return report
  },
}

/** A row that cannot be read was put on record when it was due; the others are looked at. */
function readOrNone({ store }: Engine, key: AttemptKey): ReadTask | undefined {
  try {
    return readAttempt(store.sql, key)
  } catch (thrown) {
    if (asTdfError(thrown).code === 'STATE_CORRUPT') return undefined
    throw thrown
  }
}

function isPastEverything(engine: Engine, task: ReadTask): boolean {
  const { now, config, epochAt } = decisionInput(engine)
  if (task.deadlineAt === null || task.step === 'salvage' || task.step === 'cleanup') return false
  return now > Math.max(task.deadlineAt, epochAt) + config.nodes.lostAfter + GRACE_MS
}

async function endLate(engine: Engine, task: ReadTask): Promise<number> {
  const ended = late(task, decisionInput(engine), [])
  return (await engine.store.commit(() => save(engine, task, ended, []))) ? 1 : 0
}

/**
 * The earliest step whose facts it lacks: nothing that it has is asked for again, nothing that it lacks is assumed. A run whose
 * workspace is gone ends, since it cannot begin anew in the same attempt.
 */
async function adopt(engine: Engine, task: ReadTask): Promise<number> {
  const { store, queue } = engine
  const adopted = adoption(engine, { ...task, engineVersion: ENGINE_VERSION })
  const saved = await store.commit(() => save(engine, task, adopted, []))
  if (saved && adopted.task.step === 'node_selection') queue.add(placementRequest(store.sql, adopted.task))
  engine.placementChanged()
  return saved ? 1 : 0
}

function adoption(engine: Engine, task: Task): Transition {
  const input = decisionInput(engine)
  const step = stepFor(engine, task)
  const unmanaged = `task ${task.id} was not managed by any engine`
  if (step === 'node_selection' && task.status === 'in_progress') {
    return end(task, 'infrastructure', new TdfError('WORKSPACE_GONE', `${unmanaged}, and its workspace is gone`), input)
  }
  const error = new TdfError('STEP_UNKNOWN', `${unmanaged}; it goes on at ${step}`)
  return { ...enter(task, step, input, []), failure: { error, final: false } }
}

function stepFor(engine: Engine, task: Task) {
  if (task.verdict !== null) return task.facts.saved || task.sessionId === null ? 'cleanup' : 'salvage'
  const isPlaced = liveWorkspaces(engine.store.sql).some(({ id }) => id === task.workspaceId)
  if (!isPlaced) return 'node_selection'
  if (task.facts.exit) return 'salvage'
  if (task.facts.session) return 'running'
  return task.sessionId === null ? 'workspace_creation' : 'agent_session'
}

const BATCH = 50

/** What a cleanup step had to leave: tried again, item by item, until it is confirmed. */
export const cleanups: Sweep = {
  name: 'cleanups',
  everyMs: config => Math.min(config.sweeps.interval, 30_000),
  async run(engine, _parts, signal) {
    const { store, world } = engine
    const due = dueCleanups(store.sql, world.clock.now(), BATCH)
    const attempts = new Map(due.map(({ id, attempt }) => [`${id}/${attempt}`, { id, attempt }]))
    let finished = 0
    for (const key of attempts.values()) {
      // A task in its cleanup step does this itself, and so does one that waits for its work.
      const task = readAttempt(store.sql, key)
      if (task?.step === 'cleanup' || (task?.step === 'salvage' && task.facts.held)) continue
      const left = await undo(engine, key, signal)
      if (left.length === 0) finished += 1
    }
    return { finished }
  },
}
