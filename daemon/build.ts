/** Puts the engine together and gives it what the database holds. Tests build it with models; main.ts with the real things. */
import { readLive } from '../src/store/tables/attempts.ts'
import { moveTimes } from '../src/store/tables/meta.ts'
import { readNodes } from '../src/store/tables/nodes.ts'
import { readFetching, readWaiting } from '../src/store/tables/tasks.ts'
import { createEngineApi, type EngineApi } from './engine/api.ts'
import { placementRequest } from './engine/attempts.ts'
import { createLoop, nodeSubject, parseSubject, taskSubject } from './engine/loop.ts'
import { runTask } from './engine/run-task.ts'
import { createAgents } from './nodes/reach/agents.ts'
import { runNode } from './nodes/run-node.ts'
import { takeOverStandingNodes } from './nodes/standing.ts'
import { createAdmission } from './placement/admission.ts'
import { createPlacement } from './placement/pass.ts'
import { createQueue } from './placement/queue.ts'
import { createDaemonMetrics } from './reporting/metrics.ts'
import { createWatchers } from './reporting/watchers.ts'
import type { Deps, Engine } from './services.ts'
import { takeUpRestored } from './sweeps/restored/restored.ts'

export interface RunningEngine extends Engine, EngineApi {
  /** Takes up what the database holds and begins to run it. */
  takeUp(): Promise<void>
}

export function buildEngine(deps: Deps): RunningEngine {
  const metrics = createDaemonMetrics()
  const watchers = createWatchers(metrics.recorded)
  deps.store.listen(watchers.publish)
  const engine: Engine = {
    ...deps,
    admission: createAdmission(),
    agents: createAgents(deps),
    queue: createQueue(),
    metrics,
    watchers,
    justWritten: new Map(),
    deferred: new Set(),
    placementChanged: createPlacement(() => engine),
    loop: createLoop({
      world: deps.world,
      log: deps.log,
      run: (subject, interruption) => {
        const parsed = parseSubject(subject)
        return parsed.kind === 'task'
          ? runTask(engine, parsed.key, interruption)
          : runNode(engine, parsed.name, interruption.signal)
      },
      onGap: gapMs => onGap(engine, gapMs),
    }),
  }
  return { ...engine, ...createEngineApi(engine), takeUp: () => takeUp(engine) }
}

async function takeUp(engine: Engine): Promise<void> {
  const { store, loop, queue, world } = engine
  const now = world.clock.now()
  takeUpRestored(engine)
  await store.commit(() => takeOverStandingNodes(engine))
  for (const { wakeAt, ...key } of readLive(store.sql)) loop.schedule(taskSubject(key), wakeAt)
  // A fetch ends with its daemon, and is begun anew.
  for (const key of readFetching(store.sql)) loop.schedule(taskSubject(key), now)
  for (const task of readWaiting(store.sql)) queue.add(placementRequest(store.sql, task))
  for (const node of readNodes(store.sql)) if (node.wakeAt !== null) loop.schedule(nodeSubject(node.name), now)
  engine.placementChanged()
  loop.start()
}

/** Nothing could run for so long: every deadline moves along. A clock set back takes the wakes with it. */
function onGap(engine: Engine, gapMs: number): Promise<void> {
  const { store } = engine
  return store.commit(() => {
    moveTimes(store.sql, gapMs)
    store.afterCommit(() => {
      // Their times are no longer those of the rows.
      engine.justWritten.clear()
      schedulePlanned(engine)
    })
  })
}

function schedulePlanned({ store, loop }: Engine): void {
  for (const { wakeAt, ...key } of readLive(store.sql)) loop.schedule(taskSubject(key), wakeAt)
  for (const { name, wakeAt } of readNodes(store.sql)) if (wakeAt !== null) loop.schedule(nodeSubject(name), wakeAt)
}
