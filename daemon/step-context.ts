/** Builds what a step is handed, from the engine. */
import { TdfError } from '../src/errors.ts'
import { usagesBefore } from '../src/store/attempts.ts'
import type { Signal } from '../src/store/inbox.ts'
import { limitOf } from '../src/store/limits.ts'
import { readNode } from '../src/store/nodes.ts'
import { readWorkspace, reservationOf } from '../src/store/slots.ts'
import type { Task } from '../src/task.ts'
import type { StepContext } from './context.ts'
import type { Engine } from './deps.ts'
import { credentialOf } from './governor.ts'
import { callbackToken } from './grants.ts'
import { undo } from './undo.ts'
import { sum } from './usage.ts'

export function stepContext(engine: Engine, task: Task, signals: Signal[], signal: AbortSignal): StepContext {
  const { store, world, config, install, results, agents, loop } = engine
  const workspace = task.workspaceId === null ? undefined : readWorkspace(store.sql, task.workspaceId)
  return {
    now: world.clock.now(),
    config,
    signals,
    reservedNode: reservationOf(store.sql, task)?.nodeName ?? null,
    workspaceStatus: workspace?.status ?? null,
    node: name => readNode(store.sql, name),
    agent: async name => {
      const node = readNode(store.sql, name)
      if (!node) throw new TdfError('NODE_LOST', `node ${name} is not known any more`)
      return agents.of(node, signal)
    },
    callbackToken: of => callbackToken(install, of),
    bundleFile: engine.bundleFile,
    secrets: engine.secrets,
    limitedUntil: limitOf(store.sql, credentialOf(task.spec)),
    spentBefore: task.attempt === 1 ? 0 : (sum(usagesBefore(store.sql, task)).costUsd ?? 0),
    results,
    undo: () => undo(engine, task, signal),
    epochAt: loop.epochAt(),
    signal,
  }
}
