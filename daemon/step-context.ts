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
import type { Interruption } from './loop.ts'
import { undo } from './undo.ts'
import { sum } from './usage.ts'

export function stepContext(engine: Engine, task: Task, signals: Signal[], interruption: Interruption): StepContext {
  const { store, world, config, install, results, agents, loop } = engine
  return {
    now: world.clock.now(),
    config,
    signals,
    // Read when a step asks: few do.
    get reservedNode() {
      return reservationOf(store.sql, task)?.nodeName ?? null
    },
    get workspaceStatus() {
      return task.workspaceId === null ? null : (readWorkspace(store.sql, task.workspaceId)?.status ?? null)
    },
    node: name => readNode(store.sql, name),
    agent: async name => {
      const node = readNode(store.sql, name)
      if (!node) throw new TdfError('NODE_LOST', `node ${name} is not known any more`)
      return agents.of(node, interruption.signal)
    },
    callbackToken: of => callbackToken(install, of),
    bundleFile: engine.bundleFile,
    sandbox: name => (readNode(store.sql, name)?.provider === 'local' ? (engine.localSandbox?.() ?? null) : null),
    secrets: engine.secrets,
    get limitedUntil() {
      return limitOf(store.sql, credentialOf(task.spec))
    },
    get spentBefore() {
      return task.attempt === 1 ? 0 : (sum(usagesBefore(store.sql, task)).costUsd ?? 0)
    },
    results,
    undo: () => undo(engine, task, interruption.signal),
    epochAt: loop.epochAt(),
    get signal() {
      return interruption.signal
    },
  }
}
