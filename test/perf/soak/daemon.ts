/**
 * A daemon that is told to work without a pause: the real engine, store, listener and sweeps over files on a disk, with
 * real time. The nodes are models in the same process, whose pushes go over the real callback port.
 */

import http from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { callbackApp } from '../../../daemon/api/callbacks.ts'
import { buildEngine, type RunningEngine } from '../../../daemon/build.ts'
import { careSweeps, createBackups } from '../../../daemon/host/backups.ts'
import { createDisk } from '../../../daemon/host/disk.ts'
import { createErrorFlush } from '../../../daemon/reporting/failures.ts'
import { servers } from '../../../daemon/results/push/servers.ts'
import type { Results } from '../../../daemon/results/results.ts'
import { startSweeps } from '../../../daemon/sweeps/index.ts'
import { listen } from '../../../src/platform/listen.ts'
import { silentLog } from '../../../src/platform/log.ts'
import { realWorld } from '../../../src/platform/world.ts'
import { openObservability } from '../../../src/store/observability.ts'
import { openStore } from '../../../src/store/store.ts'
import { type FakeAgent, fakeAgent } from '../../fakes/agent.ts'
import { standingProvider } from '../../fakes/provider.ts'
import { fakeResults, fakeSources } from '../../fakes/results/results.ts'
import { aConfig } from '../../support/builders.ts'

const NODES = 4
const SLOTS = 32
const BUILD_MS = 5
/** So many of the last events of a node can still be pulled. */
const EVENTS_KEPT = 2_000

/** History is short, so that a steady state is reached soon; everything else is as it comes. */
const CONFIG = aConfig({
  nodes: { maxWorkspaces: SLOTS },
  retention: { journalRows: 100_000 },
  backups: { interval: 60_000, keep: 2 },
  sweeps: { interval: 5_000 },
  disk: { low: 0 },
})

export interface SoakDaemon {
  engine: RunningEngine
  stop(): Promise<void>
}

export async function startSoakDaemon(stateDir: string): Promise<SoakDaemon> {
  const world = realWorld()
  const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 64 })
  const told = { port: 0 }
  const deliver = (path: string, token: string, body: unknown) => post(keepAlive, told.port, path, token, body)
  const named = Array.from({ length: NODES }, (_, index) => `n${index + 1}`)
  const agents = new Map(
    named.map(name => [name, fakeAgent({ clock: world.clock, name, buildMs: BUILD_MS, deliver })] as const),
  )
  const disk = createDisk(stateDir, () => engine)
  const store = openStore(stateDir, world, disk.giveUpReserve)
  const observability = openObservability(stateDir, world.clock.now())
  const engine: RunningEngine = buildEngine({
    ...{ world, store, config: CONFIG, log: silentLog, results: forgetfulResults(), sources: fakeSources(), servers },
    providers: { static: standingProvider(agents, { slots: SLOTS }) },
    install: { id: 'soak', key: Buffer.alloc(32, 1) },
    callbackUrl: () => `http://127.0.0.1:${told.port}`,
    bundleFile: () => '',
    secrets: () => ({}),
  })
  const limits = { clock: world.clock, requestTimeoutMs: 30_000, connectionsMax: 512 }
  const handler = getRequestListener(callbackApp(engine, () => []).fetch)
  const listener = await listen(handler, { kind: 'tcp', host: '127.0.0.1', port: 0 }, limits)
  told.port = listener.port
  await engine.takeUp()
  const errors = createErrorFlush(engine, observability)
  const backups = createBackups({ store, world, stateDir })
  const sweeps = startSweeps(engine, { stateDir, errors, observability }, careSweeps(disk, backups))
  const forgetting = setInterval(() => agents.forEach(forget), 1_000)
  return {
    engine,
    async stop() {
      clearInterval(forgetting)
      await sweeps.stop()
      await listener.stop()
      await engine.loop.stop()
      keepAlive.destroy()
      observability.close()
      store.close()
    },
  }
}

/** What the models write down for the tests would be counted as memory of the daemon. */
function forget(agent: FakeAgent): void {
  agent.requests.length = 0
  agent.starts.clear()
  agent.builds.clear()
  agent.events.splice(0, Math.max(0, agent.events.length - EVENTS_KEPT))
}

function forgetfulResults(): Results {
  const known = fakeResults()
  return {
    ...known,
    receive: async (_task, saved) => saved,
    missing: async () => [],
    async describe(task, saved) {
      return fakeResults().describe(task, saved)
    },
  }
}

function post(agent: http.Agent, port: number, path: string, token: string, body: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const request = http.request({ agent, host: '127.0.0.1', port, path, method: 'POST', headers }, response => {
      response.resume()
      response.on('close', () => resolve(response.statusCode ?? 0))
    })
    request.setTimeout(30_000, () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.end(JSON.stringify(body))
  })
}
