/**
 * Group commit: writes that are ready in the same turn of the event loop share one transaction, so that one fsync
 * serves many. When a member throws, it alone is undone. When COMMIT fails, every member is refused and no caller
 * is answered that anything was stored.
 *
 * Mostly no member throws, so a group runs as it is first: a savepoint for each would copy every page that each of them
 * touches (12 µs a member, libsql 0.5.29, more than the row that it guards). When one throws after all, the whole
 * transaction is taken back and run again with savepoints.
 */
import { asTdfError, TdfError } from '../../core/errors.ts'
import type { World } from '../../platform/world.ts'
import type { Sql } from './sql.ts'

const MEMBERS_MAX = 256
const GROUP_MS_MAX = 5

interface Member {
  write: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

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

/** What the members of a group gather, to be written in one go: see journal.ts. */
export interface GroupParticipant {
  /** Drops what was not written yet: its member was undone. */
  rollback(): void
  /** Writes what there is and begins anew. */
  write(): void
  /** What was written is durable. */
  committed(): void
  /** The whole group was undone. */
  rollbackAll(): void
}

export interface GroupParts {
  sql: Sql
  world: World
  participant: GroupParticipant
  /** See openStore. */
  onFull(): boolean
  /** Told of each group that is durable, last of all. */
  committed?(): void
}

interface Done {
  member: Member
  value: unknown
}

type Result =
  | { kind: 'committed'; taken: number; done: Done[]; then: (() => void)[] }
  /** A member threw and took the others back with it. */
  | { kind: 'undone' }
  /** Nothing was stored; `done` are the members that had run, of the `taken` that were begun. */
  | { kind: 'refused'; taken: number; done: Done[]; error: unknown }

export function createGroup(parts: GroupParts): Group {
  const { world, participant, onFull, committed } = parts
  const transactions = createTransactions(parts)
  let queue: Member[] = []
  let scheduled = false
  let outage: Outage | null = null

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    world.clock.turn(() => {
      scheduled = false
      const group = queue.slice(0, MEMBERS_MAX)
      const together = transactions.run(group, 'together')
      settle(group, together.kind === 'undone' ? transactions.run(group, 'apart') : together)
      if (queue.length > 0) schedule()
    })
  }

  function settle(group: readonly Member[], result: Result): void {
    if (result.kind === 'undone') return
    if (result.kind === 'refused') return refuse(group, result)
    queue = queue.slice(result.taken)
    if (outage?.until === null) outage = { ...outage, until: world.clock.now() }
    participant.committed()
    for (const act of result.then) act()
    for (const { member, value } of result.done) member.resolve(value)
    committed?.()
  }

  function refuse(group: readonly Member[], { taken, done, error }: Extract<Result, { kind: 'refused' }>): void {
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
        // The value that comes back is what `write` returned.
        queue.push({ write, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
    afterCommit: transactions.afterCommit,
    outage: () => outage,
  }
}

/** Runs members in one transaction: together as they are, or apart, each in a savepoint that undoes it alone. */
function createTransactions({ sql, world, participant }: Pick<GroupParts, 'sql' | 'world' | 'participant'>) {
  let deferred: (() => void)[] = []

  function run(group: readonly Member[], how: 'together' | 'apart'): Result {
    const runMember = how === 'together' ? runTogether : runApart
    const started = world.clock.mono()
    const done: Done[] = []
    let taken = 0
    let isComplete = false
    try {
      sql.script('begin immediate')
      for (const member of group) {
        taken += 1
        runMember(member, done)
        if (world.clock.mono() - started > GROUP_MS_MAX) break
      }
      participant.write()
      isComplete = true
      world.failpoint('before', 'commit')
      sql.script('commit')
      world.failpoint('after', 'commit')
    } catch (error) {
      const isMembers = taken > 0 && !isComplete && how === 'together' && sql.inTransaction()
      rollBack()
      return isMembers ? { kind: 'undone' } : { kind: 'refused', taken, done, error }
    }
    const then = deferred
    deferred = []
    return { kind: 'committed', taken, done, then }
  }

  function runTogether(member: Member, done: Done[]): void {
    // Refused with the others when the disk gives out in the middle of it.
    const entry: Done = { member, value: undefined }
    done.push(entry)
    entry.value = valueFrom(member)
  }

  function runApart(member: Member, done: Done[]): void {
    const mark = deferred.length
    sql.script('savepoint member')
    try {
      const value = valueFrom(member)
      participant.write()
      sql.script('release member')
      done.push({ member, value })
    } catch (error) {
      // SQLITE_FULL and I/O errors end the whole transaction; then there is no savepoint to go back to.
      if (!sql.inTransaction()) {
        done.push({ member, value: undefined })
        throw error
      }
      sql.script('rollback to member; release member')
      deferred.length = mark
      participant.rollback()
      member.reject(error)
    }
  }

  function rollBack(): void {
    deferred = []
    participant.rollbackAll()
    if (sql.inTransaction()) sql.script('rollback')
  }

  return { run, afterCommit: (then: () => void) => void deferred.push(then) }
}

function valueFrom({ write }: Member): unknown {
  const value = write()
  if (!(value instanceof Promise)) return value
  // Its rejection is handled by nothing else: the member fails by the error below.
  value.catch(() => {})
  throw new TdfError('BUG', 'a transaction has no await')
}

const UNWRITABLE = ['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_READONLY', 'SQLITE_CANTOPEN']

/** SQLITE_FULL, I/O errors and locks are about the place, not about what was written. */
export function storageError(error: unknown): TdfError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
    return new TdfError('DISK_FULL', `the state database cannot be written (${code}): nothing was stored`, {
      cause: error,
      retryAfterMs: 30_000,
    })
  }
  if (UNWRITABLE.some(prefix => code.startsWith(prefix))) {
    const message = `the state database cannot be written (${code}): nothing was stored`
    return new TdfError('STATE_UNWRITABLE', message, { cause: error, retryAfterMs: 5_000 })
  }
  return asTdfError(error)
}
