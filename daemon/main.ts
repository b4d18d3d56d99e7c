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
import { ownFiles } from '../src/store/ledger/state-files.ts'
import { countNodes, readNode } from '../src/store/tables/nodes.ts'
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
import { createSources } from './results/sources/sources.ts'
import { createUploads } from './results/sources/uploads.ts'
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

/** Builds everything, opens the ways in, then begins to run. What is opened is undone in the opposite order. */
async function compose(options: DaemonOptions, shutdown: Shutdown): Promise<() => void> {
  const parts = build(options, shutdown)
  const ways = await openWays(options, parts, shutdown)
  await begin(options, parts, shutdown)
  await ways.supervision.ready()
  shutdown.undoLater(() => ways.supervision.stopping())
  shutdown.undoLater(() => ways.supervision.stop())
  const { log, paths } = options
  log.info({ pid: process.pid, version: VERSION, socket: paths.socket, callbacks: parts.port.url() }, 'ready')
  // Of one that was never ready, its error says all there is to say.
  shutdown.undoLater(() => log.info({}, 'stopping'))
  return ways.reload
}

/** The engine over the state folder, with everything that it is handed. Nothing runs yet, and no call is taken. */
function build(options: DaemonOptions, { undoLater }: Pick<Shutdown, 'undoLater'>) {
  const { world, paths, loaded, log, env } = options
  const { config } = loaded
  const { stateDir } = paths
  const disk = createDisk(stateDir, () => engine)
  const state = openStateFolder(options, { undoLater }, disk.giveUpReserve)
  const { install, store, files = ownFiles } = state
  const port = createCallbackPort(config, store, world.clock)
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  const { logMaxBytes: logBytesMax } = config.results
  const results = gitResults({ stateDir, bundleFile, logBytesMax, assertRoom: disk.assertRoom, blobs: store.blobs })
  const folder = path.join(stateDir, 'downloads')
  const fetches = createSources(() => engine, { results, folder, assertRoom: disk.assertRoom })
  undoLater(() => fetches.stop())
  const uploads = createUploads(() => engine, { results, folder })
  undoLater(() => uploads.stop())
  const sources = { ...fetches, whole: uploads.whole, keep: uploads.keep }
  const ssh = createSshConnections({
    ...options,
    install,
    callback: port.local,
    saveFiles: files.save,
    onDown: name => connectionLost(engine, name),
  })
  const addedNodes = createAddedNodes(stateDir, ssh.static.target, files.save)
  const onResponse = (status: number, left: number) => engine.metrics.hetzner(status, left)
  const hasRow = (name: string) => readNode(store.sql, name) !== undefined
  const providers = buildProviders(options, install, { ssh, addedNodes, hasRow, onResponse })
  const secrets = createSecrets(stateDir, env)
  const engine: RunningEngine = buildEngine({
    world,
    config,
    log,
    store,
    install,
    results,
    sources,
    bundleFile,
    providers: providers.table,
    callbackUrl: port.url,
    secrets: secrets.of,
    localSandbox: () => localSandbox(config, paths),
  })
  const health = createHealth(engine)
  undoLater(() => health.stop())
  registerGauges(engine, health, disk)
  const backups = createBackups({ store, world, stateDir })
  const errors = createErrorFlush(engine, state.observability)
  const pusher = createPusher(engine, results)
  return {
    engine,
    state,
    disk,
    port,
    results,
    uploads,
    ssh,
    addedNodes,
    providers,
    secrets,
    saveFiles: files.save,
    health,
    backups,
    errors,
    pusher,
  }
}

type Parts = ReturnType<typeof build>

/** Opens the callback port, the control socket and the port of the metrics. */
async function openWays(options: DaemonOptions, parts: Parts, { undoLater, stop }: Shutdown) {
  const { world, paths, loaded, log, env } = options
  const { engine, disk, port, health } = parts
  const { clock } = world
  const supervision = superviseBySystemd({ clock, log, health, env, status: () => statusLine(engine) })
  const callbacks = await port.open(callbackApp(engine, port.hosts))
  undoLater(() => callbacks.stop())

  const taken = () => {
    disk.look()
    engine.placementChanged()
  }
  const reload = createReload({ file: paths.configFile, env, log, loaded, taken })
  const status = () => statusOf(options, parts, supervision.isThere)
  const { observability } = parts.state
  const control = controlApp(engine, { ...parts, stateDir: paths.stateDir, observability, status, reload, stop })
  const address = { kind: 'unix', path: paths.socket, mode: paths.kind === 'system' ? 0o660 : 0o600 } as const
  const limits = { clock, requestTimeoutMs: 0, connectionsMax: 128 }
  const socket = await listen(getRequestListener(control.fetch), address, limits)
  undoLater(() => socket.stop())

  const metricsAt = parseListen(loaded.config.daemon.metricsListen)
  if (metricsAt) {
    const few = { clock, requestTimeoutMs: 10_000, connectionsMax: 16 }
    const handler = getRequestListener(metricsApp(engine, health).fetch)
    const metrics = await listen(handler, { kind: 'tcp', ...metricsAt }, few)
    undoLater(() => metrics.stop())
  }
  return { supervision, reload }
}

/** What `tdf daemon status` shows. */
function statusOf({ paths }: DaemonOptions, { engine, state, port }: Parts, isSupervised: boolean): DaemonStatusJson {
  const { sql } = engine.store
  return {
    pid: process.pid,
    version: VERSION,
    home: paths.home,
    installId: state.install.id,
    socket: paths.socket,
    startedAt: state.startedAt,
    callbacksUrl: port.url(),
    obstacle: engine.admission.obstacle(),
    supervisor: isSupervised ? 'systemd' : null,
    tasks: countByStatus(sql),
    nodes: countNodes(sql),
  }
}

/** Takes up what the database holds and starts the loop and the sweeps. */
async function begin({ paths }: DaemonOptions, parts: Parts, { undoLater }: Pick<Shutdown, 'undoLater'>) {
  const { engine, state, disk, providers, ssh, backups, errors, pusher } = parts
  undoLater(() => providers.rest(engine))
  undoLater(() => ssh.closeAll())
  disk.look()
  takeUpDraining(engine)
  await engine.takeUp()
  undoLater(() => engine.loop.stop())
  const { observability } = state
  const care = [...careSweeps(disk, backups), pusher.sweep, checkpoints()]
  const sweeps = startSweeps(engine, { stateDir: paths.stateDir, errors, observability }, care)
  undoLater(() => pusher.stop())
  undoLater(() => sweeps.stop())
}
