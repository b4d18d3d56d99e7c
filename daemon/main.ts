/**
 * The composition root: lock → store → engine → listeners → loop, and the same backwards at the end. Imported by
 * `commands/daemon/run.ts` alone.
 */
import path from 'node:path'
import process from 'node:process'
import { getRequestListener } from '@hono/node-server'
import { parseListen } from '../src/config/schema/kinds.ts'
import { listen } from '../src/platform/listen.ts'
import { VERSION } from '../src/platform/version.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { countNodes } from '../src/store/tables/nodes.ts'
import { countByStatus } from '../src/store/tables/tasks.ts'
import { createCallbackPort } from './api/callback-port.ts'
import { callbackApp } from './api/callbacks.ts'
import { controlApp } from './api/control.ts'
import { metricsApp } from './api/metrics.ts'
import { buildEngine, type RunningEngine } from './build.ts'
import { careSweeps, createBackups } from './host/backups.ts'
import { createDisk } from './host/disk.ts'
import { localSandbox } from './host/programs.ts'
import { createReload } from './host/reload.ts'
import { createSecrets } from './host/secrets.ts'
import { createShutdown, type Shutdown } from './host/shutdown.ts'
import { openStateFolder } from './host/state-folder.ts'
import { statusLine, superviseBySystemd } from './host/systemd.ts'
import { connectionLost } from './nodes/contact.ts'
import { createAddedNodes } from './nodes/reach/added-nodes.ts'
import { buildProviders } from './nodes/reach/providers.ts'
import { createSshConnections } from './nodes/reach/ssh.ts'
import { takeUpDraining } from './placement/drain.ts'
import { createErrorFlush } from './reporting/failures.ts'
import { registerGauges } from './reporting/gauges.ts'
import { createHealth } from './reporting/health.ts'
import { gitResults } from './results/git-results.ts'
import { createPusher } from './results/push/pusher.ts'
import type { DaemonOptions } from './services.ts'
import { checkpoints } from './sweeps/checkpoints.ts'
import { startSweeps } from './sweeps/index.ts'

export interface Daemon extends Pick<Shutdown, 'stop' | 'ended'> {
  /** Takes over a changed configuration; throws and changes nothing when it cannot. */
  reload(): void
}

/** Throws when it cannot start; then nothing of it is left. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const shutdown = createShutdown()
  try {
    const reload = await compose(options, shutdown)
    return { ...shutdown, reload }
  } catch (error) {
    shutdown.stop()
    await shutdown.ended
    throw error
  }
}

async function compose(options: DaemonOptions, { undoLater, stop }: Shutdown): Promise<() => void> {
  const { world, paths, loaded, log, env } = options
  const { config } = loaded
  const { stateDir } = paths
  const disk = createDisk(stateDir, () => engine)
  const state = openStateFolder(options, { undoLater }, disk.giveUpReserve)
  const { install, store, observability } = state
  const port = createCallbackPort(config, store, world.clock)
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  const results = gitResults({
    stateDir,
    bundleFile,
    logBytesMax: config.results.logMaxBytes,
    assertRoom: disk.assertRoom,
  })
  const ssh = createSshConnections({
    ...options,
    install,
    callback: port.local,
    onDown: name => connectionLost(engine, name),
  })
  const addedNodes = createAddedNodes(stateDir, ssh.static.target)
  const onResponse = (status: number, left: number) => engine.metrics.hetzner(status, left)
  const providers = buildProviders(options, install, { ssh, addedNodes, onResponse })
  const secrets = createSecrets(stateDir, env)
  const backups = createBackups({ store, world, stateDir })
  const engine: RunningEngine = buildEngine({
    ...{ world, config, log, store, install, results, bundleFile, providers: providers.table },
    callbackUrl: port.url,
    secrets: secrets.of,
    localSandbox: () => localSandbox(config, options.paths),
  })
  const errors = createErrorFlush(engine, observability)
  const pusher = createPusher(engine, results)

  const health = createHealth(engine)
  undoLater(() => health.stop())
  registerGauges(engine, health, disk)
  const supervision = superviseBySystemd({ clock: world.clock, log, health, env, status: () => statusLine(engine) })

  const callbacks = await port.open(callbackApp(engine, port.hosts))
  undoLater(() => callbacks.stop())

  const status = (): DaemonStatusJson => ({
    ...{ pid: process.pid, version: VERSION, home: paths.home, installId: install.id, socket: paths.socket },
    startedAt: state.startedAt,
    callbacksUrl: port.url(),
    obstacle: engine.admission.obstacle(),
    supervisor: supervision.isThere ? 'systemd' : null,
    tasks: countByStatus(store.sql),
    nodes: countNodes(store.sql),
  })
  const taken = () => {
    disk.look()
    engine.placementChanged()
  }
  const reload = createReload({ file: paths.configFile, env, log, loaded, taken })
  const control = controlApp(engine, {
    stateDir,
    results,
    observability,
    errors,
    backups,
    health,
    addedNodes,
    pusher,
    secrets,
    status,
    reload,
    stop,
  })
  const address = { kind: 'unix', path: paths.socket, mode: paths.kind === 'system' ? 0o660 : 0o600 } as const
  const limits = { clock: world.clock, requestTimeoutMs: 0, connectionsMax: 128 }
  const socket = await listen(getRequestListener(control.fetch), address, limits)
  undoLater(() => socket.stop())
  const metricsAt = parseListen(config.daemon.metricsListen)
  if (metricsAt) {
    const few = { clock: world.clock, requestTimeoutMs: 10_000, connectionsMax: 16 }
    const handler = getRequestListener(metricsApp(engine, health).fetch)
    const metrics = await listen(handler, { kind: 'tcp', ...metricsAt }, few)
    undoLater(() => metrics.stop())
  }

  undoLater(() => providers.rest(engine))
  undoLater(() => ssh.closeAll())
  disk.look()
  takeUpDraining(engine)
  await engine.takeUp()
  undoLater(() => engine.loop.stop())
  const sweeps = startSweeps(engine, { stateDir, errors, observability }, [
    ...careSweeps(disk, backups),
    pusher.sweep,
    checkpoints(),
  ])
  undoLater(() => pusher.stop())
  undoLater(() => sweeps.stop())
  await supervision.ready()
  undoLater(() => supervision.stopping())
  undoLater(() => supervision.stop())
  log.info({ pid: process.pid, version: VERSION, socket: paths.socket, callbacks: port.url() }, 'ready')
  // Of one that was never ready, its error says all there is to say.
  undoLater(() => log.info({}, 'stopping'))
  return reload
}
