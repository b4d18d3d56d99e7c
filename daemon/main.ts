/**
 * The composition root: lock → store → engine → listeners → loop, and the same backwards at the end. Imported by
 * `commands/daemon-run.ts` alone.
 */
import path from 'node:path'
import process from 'node:process'
import { parseListen } from '../src/config/index.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { countNodes } from '../src/store/nodes.ts'
import { countByStatus } from '../src/store/tasks.ts'
import { VERSION } from '../src/version.ts'
import { createBoxes } from './boxes.ts'
import { buildEngine, type RunningEngine } from './build-engine.ts'
import { createBackups } from './care/backups.ts'
import { createDisk } from './care/disk.ts'
import { careSweeps } from './care/sweeps.ts'
import { takeUpDraining } from './drain.ts'
import { createErrorFlush } from './flush-errors.ts'
import { registerGauges } from './gauges.ts'
import { createHealth } from './health.ts'
import { createCallbackPort } from './http/callback-port.ts'
import { callbackApp } from './http/callbacks.ts'
import { controlApp } from './http/control.ts'
import { listenTcp, listenUnix } from './http/listen.ts'
import { metricsApp } from './http/metrics.ts'
import { wayLost } from './nodes/way-lost.ts'
import type { DaemonOptions } from './options.ts'
import { buildProviders } from './providers.ts'
import { createPusher } from './push/pusher.ts'
import { createReload } from './reload.ts'
import { gitResults } from './results/git-results.ts'
import { localSandbox } from './sandbox.ts'
import { createSecrets } from './secrets.ts'
import { createShutdown, type Shutdown } from './shutdown.ts'
import { createSshWays } from './ssh-ways.ts'
import { openStateFolder } from './state-folder.ts'
import { statusLine } from './status-line.ts'
import { superviseBySystemd } from './supervision.ts'
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
  const port = createCallbackPort(config, store)
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  const results = gitResults({
    stateDir,
    bundleFile,
    logBytesMax: config.results.logMaxBytes,
    assertRoom: disk.assertRoom,
  })
  const ssh = createSshWays({ ...options, install, callback: port.local, onDown: name => wayLost(engine, name) })
  const boxes = createBoxes(stateDir, ssh.static.target)
  const heard = (status: number, left: number) => engine.metrics.hetzner(status, left)
  const providers = buildProviders(options, install, { ssh, boxes, heard })
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
    boxes,
    pusher,
    secrets,
    status,
    reload,
    stop,
  })
  const socketMode = paths.kind === 'system' ? 0o660 : 0o600
  const socket = await listenUnix(control, paths.socket, socketMode, { requestTimeoutMs: 0, connectionsMax: 128 })
  undoLater(() => socket.stop())
  const metricsAt = parseListen(config.daemon.metricsListen)
  if (metricsAt) {
    const limits = { requestTimeoutMs: 10_000, connectionsMax: 16 }
    const metrics = await listenTcp(metricsApp(engine, health), metricsAt.host, metricsAt.port, limits)
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
