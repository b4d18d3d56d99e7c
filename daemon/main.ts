/**
 * The composition root: lock → store → engine → listeners → loop, and the same backwards at the end. Imported by
 * `commands/daemon-run.ts` alone.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseListen } from '../src/config/index.ts'
import { asTdfError, TdfError } from '../src/errors.ts'
import { readInstall } from '../src/install.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { takeLock } from '../src/store/lock.ts'
import { readMeta, writeMeta } from '../src/store/meta.ts'
import { countNodes } from '../src/store/nodes.ts'
import { openObservability } from '../src/store/observability.ts'
import { openStore, type Store } from '../src/store/store.ts'
import { countByStatus } from '../src/store/tasks.ts'
import { VERSION } from '../src/version.ts'
import { createBoxes } from './boxes.ts'
import { buildEngine, type RunningEngine } from './build-engine.ts'
import { createBackups } from './care/backups.ts'
import { createDisk } from './care/disk.ts'
import { closeToOthers } from './care/modes.ts'
import { careSweeps } from './care/sweeps.ts'
import { takeUpDraining } from './drain.ts'
import { createErrorFlush } from './flush-errors.ts'
import { registerGauges } from './gauges.ts'
import { createHealth } from './health.ts'
import { callbackApp } from './http/callbacks.ts'
import { controlApp } from './http/control.ts'
import { type Listener, listenTcp, listenUnix } from './http/listen.ts'
import { metricsApp } from './http/metrics.ts'
import { wayLost } from './nodes/way-lost.ts'
import type { DaemonOptions } from './options.ts'
import { buildProviders } from './providers.ts'
import { createPusher } from './push/pusher.ts'
import { createReload } from './reload.ts'
import { gitResults } from './results/git-results.ts'
import { localSandbox } from './sandbox.ts'
import { createSecrets } from './secrets.ts'
import { createSshWays } from './ssh-ways.ts'
import { statusLine } from './status-line.ts'
import { superviseBySystemd } from './supervision.ts'
import { checkpoints } from './sweeps/checkpoints.ts'
import { startSweeps } from './sweeps/index.ts'

export interface Daemon {
  /** Begins an orderly end; a second call changes nothing. */
  stop(): void
  /** Resolves when it has ended. */
  ended: Promise<void>
  /** Takes over a changed configuration; throws and changes nothing when it cannot. */
  reload(): void
}

/** Throws when it cannot start; then nothing of it is left. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const ending = createEnding()
  try {
    const reload = await compose(options, ending)
    return { ...ending, reload }
  } catch (error) {
    ending.stop()
    await ending.ended
    throw error
  }
}

interface Ending extends Omit<Daemon, 'reload'> {
  /** Adds what has to be undone; the last comes first. */
  undoLater(undo: () => Promise<void> | void): void
}

function createEnding(): Ending {
  const undos: (() => Promise<void> | void)[] = []
  let stop = () => {}
  const stopped = new Promise<void>(resolve => (stop = resolve))
  const ended = stopped.then(async () => {
    for (const undo of undos.reverse()) await undo()
  })
  return { stop, ended, undoLater: undo => void undos.push(undo) }
}

async function compose(options: DaemonOptions, ending: Ending): Promise<() => void> {
  const { world, paths, loaded, log, env } = options
  const { config } = loaded
  const { stateDir, runDir } = paths
  for (const folder of [stateDir, runDir, path.join(stateDir, 'bundles'), path.join(stateDir, 'downloads')]) {
    makeFolder(folder)
  }
  const startedAt = new Date(world.clock.now()).toISOString()
  const lock = takeLock(stateDir, { pid: process.pid, startedAt })
  ending.undoLater(() => lock.release())
  const opened = closeToOthers(stateDir)
  if (opened.length > 0) log.warn({ opened }, 'the state was open to others, and is not any more')
  const install = readInstall(stateDir, world.random)
  const disk = createDisk(stateDir, () => engine)
  const store = openStore(stateDir, world, disk.giveUpReserve)
  ending.undoLater(() => store.close())
  const observability = openObservability(stateDir, world.clock.now())
  ending.undoLater(() => observability.close())

  const { host, port } = parseListen(config.callbacks.listen) ?? { host: '127.0.0.1', port: 0 }
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  const results = gitResults({
    stateDir,
    bundleFile,
    logBytesMax: config.results.logMaxBytes,
    assertRoom: disk.assertRoom,
  })
  const told = { callbacksUrl: '', port: 0 }
  const callback = () => ({ host: callbackHost(host), port: told.port })
  const ssh = createSshWays({ ...options, install, callback, onDown: name => wayLost(engine, name) })
  const boxes = createBoxes(stateDir, ssh.static.target)
  const heard = (status: number, left: number) => engine.metrics.hetzner(status, left)
  const providers = buildProviders(options, install, { ssh, boxes, heard })
  const secrets = createSecrets(stateDir, env)
  const backups = createBackups({ store, world, stateDir })
  const engine: RunningEngine = buildEngine({
    ...{ world, config, log, store, install, results, bundleFile, providers: providers.table },
    callbackUrl: () => told.callbacksUrl,
    secrets: secrets.of,
    localSandbox: () => localSandbox(config, options.paths),
  })
  const errors = createErrorFlush(engine, observability)
  const pusher = createPusher(engine, results)

  const health = createHealth(engine)
  ending.undoLater(() => health.stop())
  registerGauges(engine, health, disk)
  const supervision = superviseBySystemd({ clock: world.clock, log, health, env, status: () => statusLine(engine) })

  const hosts = [host, ...(config.callbacks.url ? [new URL(config.callbacks.url).hostname] : [])]
  const callbacks = await listenForCallbacks(
    callbackApp(engine, () => hosts),
    host,
    port,
    store,
  )
  ending.undoLater(() => callbacks.stop())
  told.port = callbacks.port ?? 0
  told.callbacksUrl = config.callbacks.url || `http://${host.includes(':') ? `[${host}]` : host}:${callbacks.port}`

  const status = (): DaemonStatusJson => ({
    ...{ pid: process.pid, version: VERSION, home: paths.home, installId: install.id, socket: paths.socket, startedAt },
    callbacksUrl: told.callbacksUrl,
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
    stop: ending.stop,
  })
  const socketMode = paths.kind === 'system' ? 0o660 : 0o600
  const socket = await listenUnix(control, paths.socket, socketMode, { requestTimeoutMs: 0, connectionsMax: 128 })
  ending.undoLater(() => socket.stop())
  const metricsAt = parseListen(config.daemon.metricsListen)
  if (metricsAt) {
    const limits = { requestTimeoutMs: 10_000, connectionsMax: 16 }
    const metrics = await listenTcp(metricsApp(engine, health), metricsAt.host, metricsAt.port, limits)
    ending.undoLater(() => metrics.stop())
  }

  ending.undoLater(() => providers.rest(engine))
  ending.undoLater(() => ssh.closeAll())
  disk.look()
  takeUpDraining(engine)
  await engine.takeUp()
  ending.undoLater(() => engine.loop.stop())
  const sweeps = startSweeps(engine, { stateDir, errors, observability }, [
    ...careSweeps(disk, backups),
    pusher.sweep,
    checkpoints(),
  ])
  ending.undoLater(() => pusher.stop())
  ending.undoLater(() => sweeps.stop())
  await supervision.ready()
  ending.undoLater(() => supervision.stopping())
  ending.undoLater(() => supervision.stop())
  log.info({ pid: process.pid, version: VERSION, socket: paths.socket, callbacks: told.callbacksUrl }, 'ready')
  // Of one that was never ready, its error says all there is to say.
  ending.undoLater(() => log.info({}, 'stopping'))
  return reload
}

/** Where we reach our own listener: one for every address is there under the loopback too. */
const callbackHost = (host: string) => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host)

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new TdfError('STATE_UNWRITABLE', `${folder} cannot be made: ${asTdfError(error).message}`, { cause: error })
  }
}

/** Port 0 is a free port, chosen once and kept: nodes go on calling the same one. */
async function listenForCallbacks(
  app: Parameters<typeof listenTcp>[0],
  host: string,
  port: number,
  store: Store,
): Promise<Listener> {
  const wanted = port === 0 ? Number(readMeta(store.sql, 'callback_port') ?? 0) : port
  const listener = await listenTcp(app, host, wanted, { requestTimeoutMs: 30_000, connectionsMax: 512 })
  if (port === 0) await store.commit(() => writeMeta(store.sql, 'callback_port', String(listener.port)))
  return listener
}
