/**
 * Group commit: writes that are ready in the same turn of the event loop share one transaction, so that one fsync
 * serves many. When a member throws, it alone is undone. When COMMIT fails, every member is refused and no caller
 * is answered that anything was stored.
 *
 * Mostly no member throws, so a group runs as it is first: a savepoint for each would copy every page that each of them
 * touches (12 µs a member, libsql 0.5.29, more than the row that it guards). When one throws after all, the whole
 * transaction is taken back and run again with savepoints.
 */
import { TdfError } from '../../core/errors.ts'
import { storageError } from './storage-error.ts'
import { createTransactions, type Member, type Open, type Settled, type TransactionParts } from './transactions.ts'

const MEMBERS_MAX = 256
/** Writes that wait while the place that makes them durable does not answer. */
const WAITING_MAX = 20_000

export interface Group {
  /**
   * Runs `write` inside the next group; resolves with its value once it is durable. `write` has no await, and may be run
   * more than once: what it does beside the database waits for `afterCommit`.
   */
  commit<T>(write: () => T): Promise<T>
  /** Inside a `write`: runs `then` right after COMMIT, before any promise resolves; forgotten if the write is undone. */
  afterCommit(then: () => void): void
  /** The newest time in which nothing could be stored; null when there was none since the start. */
  outage(): Outage | null
}

export interface Outage {
  /** Unix ms; `until` is null while it lasts. */
  since: number
  until: number | null
  error: TdfError
}

export interface GroupParts extends TransactionParts {
  /** See openStore. */
  onFull(): boolean
  /** Told of each group that is durable, last of all. */
  committed?(): void
}

export function createGroup(parts: GroupParts): Group {
  const { world, participant, onFull, committed, elsewhere } = parts
  const transactions = createTransactions(parts)
  let queue: Member[] = []
  let scheduled = false
  let isOpen = false
  let outage: Outage | null = null

  function schedule(): void {
    if (scheduled || isOpen) return
    scheduled = true
    world.clock.turn(() => {
      scheduled = false
      // Asked for by a member of the group that is open now.
      if (isOpen) return
      const group = queue.slice(0, MEMBERS_MAX)
      const together = transactions.run(group, 'together')
      const result = together.kind === 'undone' ? transactions.run(group, 'apart') : together
      if (result.kind === 'open') void settleLater(group, result)
      else settle(group, result)
      if (queue.length > 0) schedule()
    })
  }

  /** Meanwhile the next group gathers. */
  async function settleLater(group: readonly Member[], open: Open): Promise<void> {
    isOpen = true
    const result = await transactions.close(open)
    isOpen = false
    settle(group, result)
    if (queue.length > 0) schedule()
  }

  function settle(group: readonly Member[], result: Settled): void {
    if (result.kind === 'undone') return
    if (result.kind === 'refused') return refuse(group, result)
    queue = queue.slice(result.taken)
    if (outage?.until === null) outage = { ...outage, until: world.clock.now() }
    participant.committed()
    for (const act of result.then) act()
    for (const { member, value } of result.done) member.resolve(value)
    committed?.()
  }

  function refuse(group: readonly Member[], { taken, done, error }: Extract<Settled, { kind: 'refused' }>): void {
    const refused = storageError(error)
    if (refused.code === 'DISK_FULL' && onFull()) return
    if (outage?.until !== null) outage = { since: world.clock.now(), until: null, error: refused }
    queue = queue.slice(taken || group.length)
    for (const { member } of done) member.reject(refused)
    if (taken === 0) for (const member of group) member.reject(refused)
  }

  return {
    commit<T>(write: () => T) {
      return new Promise<T>((resolve, reject) => {
        if (elsewhere && queue.length >= WAITING_MAX) return reject(tooManyWait())
        // The value that comes back is what `write` returned.
        queue.push({ write, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
    afterCommit: transactions.afterCommit,
    outage: () => outage,
  }
}

const tooManyWait = () =>
  new TdfError('STORE_AWAY', 'too many writes wait for the database: this one was not taken', { retryAfterMs: 5_000 })
