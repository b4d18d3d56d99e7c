/**
 * A daemon among those that share their state: it stands by until it takes the installation over, and ends when another one did.
 * What it does once it serves is main.ts's.
 */
import { hostname } from 'node:os'
import process from 'node:process'
import { getRequestListener } from '@hono/node-server'
import { ERRORS, TdfError } from '../../../src/core/errors.ts'
import { type Install, placeWord } from '../../../src/platform/install.ts'
import { VERSION } from '../../../src/platform/version.ts'
import { type Clock, sleep } from '../../../src/platform/world.ts'
import type { DaemonStatusJson } from '../../../src/protocol/control.ts'
import { keyFileOf, keyIn } from '../../../src/store/ledger/key.ts'
import { type ClusterMember, createMember } from '../../../src/store/ledger/postgres/member.ts'
import { openReplica } from '../../../src/store/ledger/replica.ts'
import { openInstallKey, shareStateFiles } from '../../../src/store/ledger/state-files.ts'
import { openLedgerStore } from '../../../src/store/ledger/store.ts'
import { awayText, handOn, type Serving, standsBy } from '../../api/hand-on.ts'
import type { DaemonOptions } from '../../services.ts'
import { createReload } from '../reload.ts'
import type { Shutdown } from '../shutdown.ts'
import { lockStateFolder, type SharedState } from '../state-folder.ts'
import { type Supervised, type Supervision, superviseBySystemd } from '../systemd.ts'
import { createCluster, ownStatus, sharedStatus, standbyChecks } from './cluster.ts'
import { type Answers, type Doors, openDoors, openMembersDoor } from './doors.ts'
import { type StandbyParts, standbyListener, standbyMetricsApp } from './standby.ts'

/** What a daemon has that stood by, when it begins to serve. */
export interface Held {
  state: SharedState
  cluster: StandbyParts['cluster']
  reload: StandbyParts['reload']
  /** From now on a reload ends with this. */
  onReload(taken: () => void): void
  /** The ways in, which are open already. */
  doors: Doors
  supervision: Supervision
  /** From now on systemd is told of this. */
  supervise(supervised: Supervised): void
}

export interface MemberStart {
  options: DaemonOptions
  url: string
  shutdown: Shutdown
  serve(held: Held): Promise<unknown>
}

export interface RunningMember extends Pick<Shutdown, 'stop' | 'ended'> {
  reload(): void
  exitCode(): number
  /** Resolves when another daemon serves in the place of this one: nothing of it may go on. */
  fenced: Promise<string>
}

/** A database that does not answer so soon is waited for with the ways in open, which say so. */
const MEET_MS_MAX = 2_000

/** Resolves when it stands by and answers. Throws when it cannot; then nothing of it is left, once `shutdown` ended. */
export async function startMember({ options, url, shutdown, serve }: MemberStart): Promise<RunningMember> {
  const { world, loaded, log, paths } = options
  const stopped = new AbortController()
  const { startedAt } = lockStateFolder(options, shutdown)
  const key = keyIn(keyFileOf(paths.stateDir, loaded.config.cluster), world.random)
  const name = loaded.config.cluster.name || hostname()
  const place = placeWord(paths.stateDir, world.random)
  const settings = { url, name, version: VERSION, place, keyCheck: key.check, keyNow: key.now, ...world, log }
  const member = createMember(settings, stopped.signal)
  shutdown.undoLater(() => member.close())
  const met = member.meet()
  const isMet = await isSoon(met, world.clock)

  const end = createEnd(stopped, shutdown)
  const standing = await standBy(options, { member, name, startedAt, key }, shutdown, end)
  const joined = met.then(() => join(standing))
  if (isMet) await joined
  else log.warn({ member: name, err: member.outage()?.error }, 'this daemon waits for the database')
  await standing.supervision.ready()
  shutdown.undoLater(() => standing.supervision.stopping())
  shutdown.undoLater(() => standing.supervision.stop())
  log.info({ pid: process.pid, version: VERSION, socket: paths.socket, member: name }, 'stands by')
  if (loaded.config.providers.local.enabled) {
    log.warn(
      {},
      'there is no local node where daemons share their state: name this box under [[providers.static.nodes]]',
    )
  }
  const fence = createFence()
  end.after(joined.then(takeOver))
  return { ...end, reload: standing.reload, fenced: fence.fenced }

  /** Opens the way in for the other daemons, and tells them of it. */
  async function join(held: Omit<Held, 'state'>): Promise<Doors> {
    const answers = { handler: standsBy, sharedKey: key.get().shared }
    const doors = { ...held.doors, members: await openMembersDoor(options, answers, shutdown) }
    await member.announce(loaded.config.cluster.url || (doors.members?.address ?? ''))
    return doors
  }

  async function takeOver(doors: Doors): Promise<void> {
    const { ledger, replica } = await member.takeOver(openReplica)
    ledger.onLost(fence.tell)
    // Also of a daemon that cannot serve: it holds the installation until then.
    shutdown.undoLater(() => ledger.close())
    const store = await openLedgerStore(ledger, world, replica)
    const install: Install = { id: member.installId, key: openInstallKey(store.sql, key.get()) }
    log.info({ epoch: member.serving().epoch, member: name }, 'this daemon serves from now on')
    const files = await shareStateFiles(store, paths.stateDir, key.get())
    await serve({ ...standing, doors, state: { install, store, files, startedAt } })
  }
}

/** Whether it resolves soon. Throws what it rejects with in that time. */
async function isSoon(act: Promise<void>, clock: Clock): Promise<boolean> {
  const isThere = act.then(() => true)
  // What comes later is for the one who waits for the act itself.
  isThere.catch(() => {})
  const timeUp = new AbortController()
  const late = sleep(clock, MEET_MS_MAX, timeUp.signal).then(
    () => false,
    () => false,
  )
  return Promise.race([isThere, late]).finally(() => timeUp.abort())
}

function createFence() {
  let tell: (why: string) => void = () => {}
  const fenced = new Promise<string>(resolve => (tell = resolve))
  return { fenced, tell }
}

/** The end of a daemon: in order, by an order or a failure; not before a takeover that is under way. */
function createEnd(stopped: AbortController, shutdown: Shutdown) {
  let exit = 0
  let failure: unknown
  let background: Promise<void> = Promise.resolve()
  return {
    stop() {
      stopped.abort(new TdfError('DAEMON_STOPPING', 'the daemon stops'))
      background.then(shutdown.stop)
    },
    /** For one that begins anew as a daemon that stands by. */
    exitWith(code: number) {
      exit = code
    },
    exitCode: () => exit,
    after(act: Promise<void>) {
      background = act.catch(error => {
        if (stopped.signal.aborted) return
        failure = error
        shutdown.stop()
      })
    },
    ended: shutdown.ended.then(() => {
      if (failure !== undefined) throw failure
    }),
  }
}

interface Standing {
  member: ClusterMember
  name: string
  startedAt: string
  key: ReturnType<typeof keyIn>
}

/** Opens the ways in of this machine; what it answers there does not need the database. */
async function standBy(
  options: DaemonOptions,
  { member, name, startedAt, key }: Standing,
  shutdown: Shutdown,
  end: Pick<ReturnType<typeof createEnd>, 'stop' | 'exitWith'>,
): Promise<Omit<Held, 'state'>> {
  const { world, loaded, log, env, paths } = options
  const { clock } = world
  // The answer to the order goes out before.
  const stop = () => void clock.timer(STOP_MS, end.stop)
  const cluster = createCluster(member, name, clock, () => {
    end.exitWith(ERRORS.FENCED.exit)
    stop()
  })
  let onReload = () => {}
  const reload = createReload({ file: paths.configFile, env, log, loaded, taken: () => onReload() })
  const checks = () => standbyChecks(member)
  const away = () => {
    const outage = member.outage()
    return outage && `the database ${awayText(outage)}`
  }
  let supervised: Supervised = {
    health: { look: async () => checks() },
    status: () => `stands by; ${away() ?? `${member.serving().name ?? 'no daemon'} serves`}`,
  }
  const supervision = superviseBySystemd({ clock, log, env, supervised: () => supervised })
  const status = (): DaemonStatusJson => ({
    ...ownStatus(options, { installId: member.installId, startedAt, isSupervised: supervision.isThere }),
    ...sharedStatus(cluster),
    role: 'standby',
    callbacksUrl: '',
    obstacle: away(),
    tasks: {},
    nodes: {},
  })
  const standby = { log, cluster, checks, status, reload, stop }
  const doors = await openDoors(options, standbyAnswers(options, key, member, standby), shutdown)
  return {
    cluster,
    reload,
    onReload(taken) {
      onReload = taken
    },
    doors,
    supervision,
    supervise(next) {
      supervised = next
    },
  }
}

/** The answer to the order goes out before. */
const STOP_MS = 50

/** What a daemon that stands by says at each of its doors. */
function standbyAnswers(
  options: DaemonOptions,
  key: Standing['key'],
  member: ClusterMember,
  standby: StandbyParts,
): Answers {
  const { clock } = options.world
  const onward = handOn({
    clock,
    // Asked for once a daemon serves: the installation was met by then.
    get sharedKey() {
      return key.get().shared
    },
    serving: () => addressOf(member.serving().url),
    outage: member.outage,
  })
  return {
    control: standbyListener(standby, onward),
    metrics: getRequestListener(standbyMetricsApp(standby).fetch),
  }
}

/** "tls://host:port" or "host:port"; null for what is neither. */
function addressOf(url: string | null): Serving | null {
  const [, host, port] = /^(?:\w+:\/\/)?(\[[^\]]+\]|[^:/]+):(\d+)\/?$/.exec(url ?? '') ?? []
  return host && port ? { host: host.replace(/^\[|\]$/g, ''), port: Number(port) } : null
}
