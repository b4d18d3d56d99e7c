/** The store of a bench host among others (`STORE_URL`, `MEMBER`): it stands by until it serves, and ends when another one does. */
import process from 'node:process'
import { silentLog } from '../../../../src/platform/log.ts'
import type { World } from '../../../../src/platform/world.ts'
import type { Change } from '../../../../src/store/ledger/ledger.ts'
import { type ClusterMember, joinInstallation } from '../../../../src/store/ledger/postgres/member.ts'
import { type MemoryReplica, openReplica } from '../../../../src/store/ledger/replica.ts'
import { openLedgerStore } from '../../../../src/store/ledger/store.ts'
import type { Store } from '../../../../src/store/store.ts'

const FENCED = 76

export interface Shared {
  /** Rows that it has followed so far. */
  followed(): number
  /** Resolves when this host serves. */
  takeOver(): Promise<Store>
  close(): Promise<void>
}

export function createShared(url: string, name: string, world: World): Shared {
  let followed = 0
  let member: ClusterMember | undefined
  const createReplica = (): MemoryReplica => {
    const replica = openReplica()
    const apply = (changes: readonly Change[]) => {
      followed += changes.length
      return replica.apply(changes)
    }
    return { ...replica, apply }
  }
  return {
    followed: () => followed,
    async takeOver() {
      member = await joinMember(url, name, world)
      const { ledger, replica } = await member.takeOver(createReplica)
      ledger.onLost(() => process.exit(FENCED))
      return openLedgerStore(ledger, world, replica)
    },
    close: async () => member?.close(),
  }
}

/** Of an installation without a key. */
export async function joinMember(url: string, name: string, { clock, random }: World): Promise<ClusterMember> {
  const about = { url, name, version: 'bench', place: random.bytes(8).toString('hex') }
  const key = { keyCheck: () => 'bench', keyNow: () => 'bench' }
  const member = await joinInstallation(
    { ...about, ...key, clock, random, log: silentLog },
    new AbortController().signal,
  )
  await member.announce('')
  return member
}
