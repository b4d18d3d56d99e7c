/**
 * This daemon among those that share an installation in PostgreSQL: it meets the installation, stands by, and serves once it took
 * it over.
 */
import { TdfError } from '../../../core/errors.ts'
import type { Log } from '../../../platform/log.ts'
import { type Clock, type Random, sleep } from '../../../platform/world.ts'
import type { Ledger, Replica } from '../ledger.ts'
import { createBlobs, removeUploads } from './blobs.ts'
import { hostsOf } from './connection/hosts.ts'
import { createSession, type Session } from './connection/session.ts'
import type { Installation } from './follow.ts'
import { type KeyCheck, prepareInstallation } from './installation.ts'
import {
  type About,
  type DatabaseFacts,
  forgetMember,
  giveSign,
  type Member,
  readFacts,
  readMembers,
} from './members.ts'
import { createServing } from './serving.ts'
import { standBy } from './standby.ts'
import { keepUp } from './upkeep.ts'
import { makeViews } from './views.ts'

export interface MemberOptions {
  /** One url, or several of the same database. */
  url: string | readonly string[]
  /** What this daemon is called among the others. */
  name: string
  version: string
  /** A word for the place where this daemon runs, without blanks: its former run there counts as itself. */
  place: string
  /** Of an installation that had a file of its own before: the id of a new one here. Left out: a new id. */
  installId?: string
  /** See prepareInstallation. */
  keyCheck: KeyCheck
  /** Of the key file as it is now; empty when it cannot be read. */
  keyNow(): string
  clock: Clock
  random: Random
  log: Log
}

/** Who serves, as this daemon saw it last. */
export interface Serving {
  epoch: number
  /** Null while nobody does, or it is not known by name yet. */
  name: string | null
  url: string | null
}

export interface ClusterMember {
  /**
   * Comes first; waits while the database is away. Throws what prepareInstallation does, and CONFIG_INVALID while another
   * daemon has this one's name.
   */
  meet(): Promise<void>
  /** The installation's id, the same for every daemon; empty until it was met. */
  readonly installId: string
  /** Hosts of the database, for people. */
  hosts: string[]
  /** Makes this daemon known, with where the others hand on what they are asked. */
  announce(handOnUrl: string): Promise<void>
  /** Follows into a replica; resolves when this daemon serves. Throws STATE_NEWER when it cannot read what is stored. */
  takeOver<R extends Replica>(createReplica: () => R): Promise<{ ledger: Ledger; replica: R }>
  serving(): Serving
  /** Every daemon that was seen within a day. */
  members(): Promise<Member[]>
  facts(): Promise<DatabaseFacts>
  /** While this daemon serves: who may take it first when it ends. Null: any of them. */
  setHeir(name: string | null): Promise<void>
  /** Since when the database does not answer a daemon that stands by. */
  outage: Session['outage']
  /** The ledger is closed before. */
  close(): Promise<void>
}

/** How long the others leave it to the one that it is handed over to. */
const HEIR = '10 seconds'
/** Whether another daemon of that name gives signs of life is looked at so often, in ms. */
const NAME_MS = 500

/** A member that has met the installation: see `meet`. */
export async function joinInstallation(options: MemberOptions, signal: AbortSignal): Promise<ClusterMember> {
  const member = createMember(options, signal)
  await member.meet()
  return member
}

/** Everything of it that waits ends with the reason of the signal. */
export function createMember(options: MemberOptions, signal: AbortSignal): ClusterMember {
  const { url, name, version, place, keyCheck, keyNow, clock, random, log } = options
  const hosts = hostsOf(url)
  const session = (use: string) => createSession({ hosts, clock, log, application: `tdf ${name} ${use}` })
  const aside = session('aside')
  const unique = () => random.bytes(8).toString('hex')
  const about: About = { name, process: `${place} ${unique()}`, url: '', version }
  const sign = () => aside.ask(connection => giveSign(connection, about, { keyCheck: keyNow(), now: clock.now() }))
  let installId = ''
  let serving: Serving = { epoch: 0, name: null, url: null }
  let stopUpkeep = () => {}

  const saw = ({ epoch, name: whose, url: where }: Installation) => {
    serving = { epoch, name: whose, url: where }
  }

  return {
    get installId() {
      return installId
    },
    meet: () =>
      until(signal, aside, async () => {
        const id = await prepareInstallation(aside, { id: options.installId ?? unique(), keyCheck })
        await takeName(sign, name, clock, signal)
        installId = id
      }),
    hosts: hosts.map(({ shown }) => shown),
    async announce(handOnUrl) {
      about.url = handOnUrl
      await until(signal, aside, sign)
      stopUpkeep = keepUp(aside, clock, about.process, createSigns(sign, name, log))
    },
    async takeOver(createReplica) {
      const own = session('store')
      return until(signal, own, async () => {
        const taken = await standBy({ session: own, clock, log, looker: about, createReplica, saw }, signal)
        const { epoch } = taken.at
        serving = { epoch, name, url: about.url }
        await removeUploads(aside)
        void showTables(aside, log)
        const blobs = createBlobs({ session: aside, epoch, unique })
        const parts = { session: own, clock, taken: taken.at, missing: taken.missing, process: about.process, blobs }
        return { ledger: createServing(parts), replica: taken.replica }
      })
    },
    serving: () => serving,
    members: () => aside.ask(readMembers),
    facts: () => aside.ask(readFacts),
    async setHeir(heir) {
      const set = `update tdf_ledger.installation set heir = $1, heir_until = clock_timestamp() + interval '${HEIR}' where holder = $2`
      await aside.ask(connection => connection.query(set, [heir, about.process]))
    },
    outage: aside.outage,
    close() {
      stopUpkeep()
      return aside.closeAfter(connection => forgetMember(connection, about))
    },
  }
}

type Signs = () => Promise<number | null>

/** Waits for a daemon of that name that is gone without a word. Throws CONFIG_INVALID when it is not. */
async function takeName(sign: Signs, name: string, clock: Clock, signal: AbortSignal): Promise<void> {
  let first: number | undefined
  for (;;) {
    const seenAt = await sign()
    if (seenAt === null) return
    first ??= seenAt
    if (seenAt > first) {
      const message = `another daemon of this installation is called ${name}, and is at work: each needs a [cluster] name of its own`
      throw new TdfError('CONFIG_INVALID', message, { hint: 'tdf config show --origin' })
    }
    await sleep(clock, NAME_MS, signal)
  }
}

/** A daemon that was cut off for long may find that another one has its name by now: it goes on, and says so once. */
function createSigns(sign: Signs, name: string, log: Log): () => Promise<void> {
  let isTold = false
  return async () => {
    const isAnothers = (await sign()) !== null
    if (isAnothers && !isTold) {
      log.warn(
        { name },
        'another daemon has the [cluster] name of this one by now: it is missing in the list of daemons',
      )
    }
    isTold = isAnothers
  }
}

/** Nothing of tdf needs the views: a daemon without the right to make them goes on. */
function showTables(session: Session, log: Log): Promise<void> {
  const shown = session.ask(async connection => {
    await makeViews(connection).catch(error => {
      if (!connection.isOpen()) throw error
      log.warn({ err: String(error) }, 'the views of the schema tdf were not made in the database')
    })
  })
  return shown.catch(() => {})
}

/** A session that waits for the database is closed by the signal, and by a failure. */
async function until<T>(signal: AbortSignal, session: Session, act: () => Promise<T>): Promise<T> {
  signal.addEventListener('abort', session.close, { once: true })
  try {
    return await act()
  } catch (error) {
    session.close()
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', session.close)
  }
}
