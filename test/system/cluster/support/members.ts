/** Daemons that share an installation, as far as their store is concerned: each with its own way to PostgreSQL. */
import { type Log, silentLog } from '../../../../src/platform/log.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import type { Change, Ledger, Replica } from '../../../../src/store/ledger/ledger.ts'
import {
  type ClusterMember,
  joinInstallation,
  type MemberOptions,
} from '../../../../src/store/ledger/postgres/member.ts'

/** The rows as they are, without a database. */
export interface MapReplica extends Replica {
  /** By table and key. */
  rows: Map<string, Change>
  isClosed: boolean
}

export function mapReplica(): MapReplica {
  const rows = new Map<string, Change>()
  return {
    rows,
    isClosed: false,
    apply(changes) {
      for (const change of changes) put(rows, change)
      return 'applied'
    },
    close() {
      this.isClosed = true
    },
  }
}

function put(rows: Map<string, Change>, change: Change): void {
  const name = `${change.table} ${change.key}`
  if (change.row === null) rows.delete(name)
  else rows.set(name, change)
}

export interface TestMember {
  member: ClusterMember
  /** Replicas that it made, the newest last. */
  replicas: MapReplica[]
  /** Begins to stand by; resolves when it serves. */
  takeOver(): Promise<{ ledger: Ledger; replica: MapReplica }>
  stop(): Promise<void>
}

const open: TestMember[] = []

export async function joinMember(url: string, name: string, options: Partial<MemberOptions> = {}): Promise<TestMember> {
  const { clock, random } = realWorld()
  const log: Log = silentLog
  const stopped = new AbortController()
  const key = { keyCheck: () => 'key', keyNow: () => 'key' }
  const place = random.bytes(8).toString('hex')
  const settings = { url, name, version: '1.2.3', place, ...key, clock, random, log }
  const member = await joinInstallation({ ...settings, ...options }, stopped.signal)
  await member.announce(`${name}.example:7434`)
  const replicas: MapReplica[] = []
  const ledgers: Ledger[] = []
  const createReplica = () => {
    const replica = mapReplica()
    replicas.push(replica)
    return replica
  }
  const joined: TestMember = {
    member,
    replicas,
    async takeOver() {
      const taken = await member.takeOver(createReplica)
      ledgers.push(taken.ledger)
      return taken
    },
    async stop() {
      stopped.abort(new Error('the test is over'))
      for (const ledger of ledgers) await ledger.close()
      await member.close()
    },
  }
  open.push(joined)
  return joined
}

/** Ends every member that a test made. */
export async function stopMembers(): Promise<void> {
  await Promise.all(open.splice(0).map(one => one.stop()))
}
