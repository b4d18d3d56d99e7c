/**
 * The composition root: lock → store → engine → listeners → loop, and the same backwards at the end. Imported by
 * `commands/daemon/run.ts` alone.
 */
import path from 'node:path'
import process from 'node:process'
import { getRequestListener } from '@hono/node-server'
import { templatesFolder } from '../src/config/load/load.ts'
import { VERSION } from '../src/platform/version.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { ownFiles } from '../src/store/ledger/state-files.ts'
import { storeUrl } from '../src/store/ledger/url.ts'
import { countNodes, readNode } from '../src/store/tables/nodes.ts'
import { countByStatus } from '../src/store/tables/tasks.ts'
import { createCallbackPort } from './api/callback-port.ts'
import { callbackApp } from './api/callbacks.ts'
import type { Cluster } from './api/cluster.ts'
import { controlApp } from './api/control.ts'
import { createPoller } from './api/issues/poller.ts'
import { metricsApp } from './api/metrics.ts'
import { createAgentCalls } from './api/tasks/calls.ts'
import { buildEngine, type RunningEngine } from './build.ts'
import { careSweeps, createBackups } from './host/backups.ts'
import { ownStatus, sharedStatus } from './host/cluster/cluster.ts'
import { openDoors, takeDoors } from './host/cluster/doors.ts'
import { type Held, startMember } from './host/cluster/member.ts'
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
import { registerGauges, registerRole } from './reporting/gauges.ts'
import { createHealth } from './reporting/health.ts'
import { createReplies } from './reporting/notices/topic.ts'
import { gitResults } from './results/git-results.ts'
import { createLanes } from './results/landing/lanes.ts'
import { createPusher } from './results/push/pusher.ts'
import { servers } from './results/push/servers.ts'
import { createAllowance } from './results/push/watch/gh.ts'
import { createWatcher } from './results/push/watch/watcher.ts'
import { openSources } from './results/sources/open.ts'
import type { DaemonOptions } from './services.ts'
import { checkpoints } from './sweeps/checkpoints.ts'
import { startSweeps } from './sweeps/index.ts'

export interface Daemon extends Pick<Shutdown, 'stop' | 'ended'> {
  /** Takes over a changed configuration; throws and changes nothing when it cannot. */
  reload(): void
  /** What the process ends with after an orderly end. */
  exitCode(): number
  /** Resolves with the reason when another daemon serves in its place: the process has to end at once. */
  fenced: Promise<string>
}

/** Throws when it cannot start; then nothing of it is left. Among others that share its state it stands by when it has started. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const shutdown = createShutdown()
  try {
    const url = storeUrl(options.loaded.config.store, options.env)
    if (url !== null) {
      return await startMember({ options, url, shutdown, serve: held => compose(options, shutdown, held) })
    }
    const reload = await compose(options, shutdown)
    return { ...shutdown, reload, exitCode: () => 0, fenced: new Promise(() => {}) }
  } catch (error) {
    shutdown.stop()
    await shutdown.ended
    throw error
  }
}

/** Builds everything, opens the ways in, then begins to run. What is opened is undone in the opposite order. */
async function compose(options: DaemonOptions, shutdown: Shutdown, held?: Held): Promise<() => void> {
  const parts = build(options, shutdown, held)
  const ways = await openWays(options, parts, shutdown, held)
  await begin(options, parts, shutdown)
  if (!held) {
    await ways.supervision.ready()
    shutdown.undoLater(() => ways.supervision.stopping())
    shutdown.undoLater(() => ways.supervision.stop())
  }
  const { log, paths } = options
  log.info({ pid: process.pid, version: VERSION, socket: paths.socket, callbacks: parts.port.url() }, 'ready')
  // Of one that was never ready, its error says all there is to say.
  shutdown.undoLater(() => log.info({}, 'stopping'))
  return ways.reload
}

/** The engine over the state folder, with everything that it is handed. Nothing runs yet, and no call is taken. */
function build(options: DaemonOptions, { undoLater }: Pick<Shutdown, 'undoLater'>, held?: Held) {
  const { world, paths, loaded, log, env } = options
  const { config } = loaded
  const { stateDir } = paths
  const disk = createDisk(stateDir, () => engine)
  const state = openStateFolder(options, { undoLater }, disk.giveUpReserve, held?.state)
  const { install, store, files = ownFiles } = state
  const port = createCallbackPort(config, store, world.clock, held?.cluster.name)
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  const logBytesMax = config.results.logMaxBytes
  const { assertRoom } = disk
  const results = gitResults({ stateDir, bundleFile, logBytesMax, assertRoom, blobs: store.blobs })
  const { uploads, sources } = openSources(() => engine, { results, stateDir, assertRoom }, undoLater)
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
  const ways = { ssh, addedNodes, hasRow, onResponse, isShared: held !== undefined }
  const providers = buildProviders(options, install, ways)
  const secrets = createSecrets(stateDir, env)
  const engine: RunningEngine = buildEngine({
    world,
    config,
    log,
    store,
    install,
    results,
    sources,
    servers,
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
  const allowance = createAllowance()
  const issues = createPoller(engine, { allowance, templates: () => templatesFolder(config, paths.configFile) })
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
    errors: createErrorFlush(engine, state.observability),
    pusher: createPusher(engine, results),
    lanes: createLanes(engine, results),
    watcher: createWatcher(engine, results, allowance),
    replies: createReplies(engine),
    agentCalls: createAgentCalls(engine, results, stateDir),
    issues,
  }
}

type Parts = ReturnType<typeof build>

/** Opens the callback port, the control socket and the port of the metrics, or takes over those that a daemon that stood by has. */
async function openWays(options: DaemonOptions, parts: Parts, shutdown: Shutdown, held?: Held) {
  const { world, paths, loaded, log, env } = options
  const { engine, disk, port, health } = parts
  const { clock } = world
  const { undoLater, stop } = shutdown
  const supervised = { health, status: () => statusLine(engine) }
  if (held) registerRole(engine.metrics.registry, 'serving', held.cluster)
  held?.supervise({ ...supervised, status: () => `serves; ${supervised.status()}` })
  const supervision = held?.supervision ?? superviseBySystemd({ clock, log, env, supervised: () => supervised })
  const callbacks = await port.open(callbackApp(engine, port.hosts))
  undoLater(() => callbacks.stop())

  const taken = () => {
    disk.look()
    engine.placementChanged()
  }
  held?.onReload(taken)
  const reload = held?.reload ?? createReload({ file: paths.configFile, env, log, loaded, taken })
  const cluster = held?.cluster ?? null
  const status = () => statusOf(options, parts, supervision.isThere, cluster)
  const { observability } = parts.state
  const control = controlApp(engine, {
    ...parts,
    stateDir: paths.stateDir,
    observability,
    status,
    reload,
    stop,
    cluster,
  })
  const answers = {
    control: getRequestListener(control.fetch),
    metrics: getRequestListener(metricsApp({ log, registry: engine.metrics.registry, health }).fetch),
  }
  if (held) takeDoors(held.doors, answers, shutdown)
  else await openDoors(options, answers, shutdown)
  return { supervision, reload }
}

/** What `tdf daemon status` shows. */
function statusOf(
  options: DaemonOptions,
  { engine, state, port }: Parts,
  isSupervised: boolean,
  cluster: Cluster | null,
): DaemonStatusJson {
  const { sql } = engine.store
  const { install, startedAt } = state
  return {
    ...ownStatus(options, { installId: install.id, startedAt, isSupervised }),
    ...sharedStatus(cluster),
    role: 'serving',
    callbacksUrl: port.url(),
    obstacle: engine.admission.obstacle(),
    tasks: countByStatus(sql),
    nodes: countNodes(sql),
  }
}

/** Takes up what the database holds and starts the loop and the sweeps. */
async function begin({ paths }: DaemonOptions, parts: Parts, { undoLater }: Pick<Shutdown, 'undoLater'>) {
  const { engine, state, disk, providers, ssh, backups, errors } = parts
  const outward = [parts.pusher, parts.lanes, parts.watcher, parts.issues, parts.replies, parts.agentCalls]
  undoLater(() => providers.rest(engine))
  undoLater(() => ssh.closeAll())
  disk.look()
  takeUpDraining(engine)
  await engine.takeUp()
  undoLater(() => engine.loop.stop())
  const { observability } = state
  const care = [...careSweeps(disk, backups), ...outward.map(({ sweep }) => sweep), checkpoints()]
  const sweeps = startSweeps(engine, { stateDir: paths.stateDir, errors, observability }, care)
  for (const part of outward) undoLater(() => part.stop())
  undoLater(() => sweeps.stop())
}
