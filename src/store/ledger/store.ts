/** The store with its disk elsewhere: the database is in memory, and a write counts once the ledger has it. */
import { TdfError } from '../../core/errors.ts'
import type { World } from '../../platform/world.ts'
import { createGroup, type Group, type Outage } from '../sqlite/group-commit.ts'
import type { Sql } from '../sqlite/sql.ts'
import type { Elsewhere } from '../sqlite/transactions.ts'
import type { Store } from '../store.ts'
import { createJournal } from '../tables/journal.ts'
import { refuseMoved } from '../tables/meta.ts'
import { type Capture, createCapture } from './capture.ts'
import type { Ledger } from './ledger.ts'
import { type MemoryReplica, openReplica } from './replica.ts'

/** A caller that waits for an answer is told after so long that there is none. */
const ANSWER_MS_MAX = 10_000
/** At the end, a group that is under way is waited for so long. */
const CLOSE_MS_MAX = 5_000

/**
 * Takes the rows over and stores what this build changed of them. `replica` is what followed so far; the store closes it.
 * Throws STATE_NEWER, STATE_CORRUPT, STATE_ELSEWHERE and FENCED.
 */
export async function openLedgerStore(ledger: Ledger, world: World, replica = openReplica()): Promise<Store> {
  const memory = createMemory(await takeOver(ledger, replica))
  let underWay: Promise<void> = Promise.resolve()
  let isClosed = false

  const elsewhere: Elsewhere = {
    write() {
      const changes = memory.take()
      if (changes.length === 0) return undefined
      world.failpoint('before', 'ledger')
      underWay = ledger.write(changes)
      return underWay
    },
    async recover() {
      if (isClosed) throw new TdfError('DAEMON_STOPPING', 'the daemon stops; what was asked for is stored')
      const fresh = openReplica()
      fresh.apply(await ledger.reload())
      memory.replace(fresh.takeOver().sql)
    },
  }

  const { sql } = memory
  refuseMoved(sql)
  const journal = createJournal(sql)
  const group = createGroup({ sql, world, participant: journal, onFull: () => false, elsewhere })
  return {
    ...group,
    kind: 'ledger',
    answered: write => answered(group, world, write),
    outage: outageOf(ledger, group, world),
    append: journal.append,
    listen: journal.listen,
    blobs: ledger.blobs,
    durableSeq: journal.durableSeq,
    durable: () => (sql.inTransaction() ? answered(group, world, () => {}) : undefined),
    settled: () => (sql.inTransaction() ? underWay : undefined),
    sql,
    async close() {
      isClosed = true
      await ended(underWay, world)
      // Its members are answered first.
      await new Promise<void>(resolve => world.clock.turn(resolve))
      sql.close()
      await ledger.close()
    },
  }
}

async function takeOver(ledger: Ledger, replica: MemoryReplica): Promise<Sql> {
  let follower = replica
  if (follower.apply(ledger.rows()) === 'stale') {
    follower.close()
    follower = openReplica()
    follower.apply(await ledger.reload())
  }
  const { sql, changes } = follower.takeOver()
  if (changes.length > 0) await ledger.write(changes)
  return sql
}

/** The database in memory, as one thing that stays the same while another database takes its place. */
function createMemory(first: Sql) {
  let current = first
  let capture: Capture = createCapture(first)
  const sql: Sql = {
    one: (query, ...values) => current.one(query, ...values),
    all: (query, ...values) => current.all(query, ...values),
    run: (query, ...values) => current.run(query, ...values),
    insert: (query, ...values) => current.insert(query, ...values),
    script: statements => current.script(statements),
    inTransaction: () => current.inTransaction(),
    close: () => current.close(),
  }
  return {
    sql,
    take: () => capture.take(),
    replace(fresh: Sql) {
      current.close()
      current = fresh
      capture = createCapture(fresh)
    },
  }
}

/** What has not begun when its time is over is not begun any more. */
function answered<T>({ commit }: Pick<Group, 'commit'>, { clock }: Pick<World, 'clock'>, write: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let hasBegun = false
    let isOver = false
    const cancel = clock.timer(ANSWER_MS_MAX, () => {
      isOver = true
      const what = hasBegun ? 'what was asked for may be stored later: ask again' : 'nothing was stored'
      reject(new TdfError('STORE_AWAY', `the database does not answer; ${what}`, { retryAfterMs: 5_000 }))
    })
    const begin = () => {
      if (isOver) return
      hasBegun = true
      return write()
    }
    // Of what is over nothing is told any more.
    const end = (value: T | undefined) => resolve(value as T)
    commit(begin).then(end, reject).finally(cancel)
  })
}

/** What the ledger says comes first; then what was refused here, which is rare in memory. */
function outageOf(ledger: Ledger, group: Pick<Group, 'outage'>, { clock }: Pick<World, 'clock'>): () => Outage | null {
  let newest: Outage | null = null
  return () => {
    const away = ledger.outage()
    if (away) {
      const error = new TdfError('STORE_AWAY', `the database does not answer (${away.error}): nothing is stored`)
      newest = { since: away.since, until: null, error }
    } else if (newest?.until === null) newest = { ...newest, until: clock.now() }
    const own = group.outage()
    return newest && newest.since >= (own?.since ?? 0) ? newest : own
  }
}

/** Resolves when `act` ended, in whatever way, or when it took too long. */
function ended(act: Promise<void>, { clock }: Pick<World, 'clock'>): Promise<void> {
  return new Promise(resolve => {
    const cancel = clock.timer(CLOSE_MS_MAX, resolve)
    const end = () => {
      cancel()
      resolve()
    }
    act.then(end, end)
  })
}
