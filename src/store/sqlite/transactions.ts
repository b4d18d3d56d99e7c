/** One transaction for many members: how they run in it, and how it ends. */
import { TdfError } from '../../core/errors.ts'
import type { World } from '../../platform/world.ts'
import type { Sql } from './sql.ts'

const GROUP_MS_MAX = 5

export interface Member {
  write: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
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

/** A place that makes a group durable before it is committed here. */
export interface Elsewhere {
  /**
   * Inside the transaction, at its end; undefined when there is nothing to write. The transaction stays open until this
   * resolves, and from then on the group counts. Rejects when nothing was stored there.
   */
  write(): Promise<void> | undefined
  /** Makes this database what is stored there: after a group that counts and could not be committed here. */
  recover(): Promise<void>
}

export interface TransactionParts {
  sql: Sql
  world: World
  participant: GroupParticipant
  /** Left out: the disk of this database makes a group durable. */
  elsewhere?: Elsewhere
}

interface Done {
  member: Member
  value: unknown
}

interface Committed {
  kind: 'committed'
  taken: number
  done: Done[]
  then: (() => void)[]
}

export type Settled =
  | Committed
  /** A member threw and took the others back with it. */
  | { kind: 'undone' }
  /** Nothing was stored; `done` are the members that had run, of the `taken` that were begun. */
  | { kind: 'refused'; taken: number; done: Done[]; error: unknown }

/** Written, and not committed before it is durable elsewhere. */
export interface Open {
  kind: 'open'
  group: Committed
  durable: Promise<void>
}

/** Runs members in one transaction: together as they are, or apart, each in a savepoint that undoes it alone. */
export function createTransactions(parts: TransactionParts) {
  const { sql, world, participant, elsewhere } = parts
  let deferred: (() => void)[] = []

  function run(group: readonly Member[], how: 'together' | 'apart'): Settled | Open {
    const started = world.clock.mono()
    const done: Done[] = []
    let taken = 0
    let isComplete = false
    try {
      sql.script('begin immediate')
      for (const member of group) {
        taken += 1
        if (how === 'together') runTogether(member, done)
        else runApart(parts, deferred, member, done)
        if (world.clock.mono() - started > GROUP_MS_MAX) break
      }
      participant.write()
      isComplete = true
      const durable = elsewhere?.write()
      if (durable) return { kind: 'open', group: complete(taken, done), durable }
      commit(parts)
    } catch (error) {
      const isMembers = taken > 0 && !isComplete && how === 'together' && sql.inTransaction()
      rollBack()
      return isMembers ? { kind: 'undone' } : { kind: 'refused', taken, done, error }
    }
    return complete(taken, done)
  }

  function complete(taken: number, done: Done[]): Committed {
    const then = deferred
    deferred = []
    return { kind: 'committed', taken, done, then }
  }

  /** Once the group is stored elsewhere there is no way back: what fails here then is mended from there and refuses no member. */
  async function close({ group, durable }: Open): Promise<Settled> {
    try {
      await durable
      if (!isCommitted()) await elsewhere?.recover()
      return group
    } catch (error) {
      rollBack()
      return { ...group, kind: 'refused', error }
    }
  }

  function isCommitted(): boolean {
    try {
      commit(parts)
      return true
    } catch {
      return false
    }
  }

  function rollBack(): void {
    deferred = []
    participant.rollbackAll()
    if (sql.inTransaction()) sql.script('rollback')
  }

  return { run, close, afterCommit: (then: () => void) => void deferred.push(then) }
}

function commit({ sql, world }: TransactionParts): void {
  world.failpoint('before', 'commit')
  sql.script('commit')
  world.failpoint('after', 'commit')
}

function runTogether(member: Member, done: Done[]): void {
  // Refused with the others when the disk gives out in the middle of it.
  const entry: Done = { member, value: undefined }
  done.push(entry)
  entry.value = valueFrom(member)
}

/** Undone alone when it throws; `deferred` keeps what the members before it asked for. */
function runApart(
  { sql, participant }: TransactionParts,
  deferred: (() => void)[],
  member: Member,
  done: Done[],
): void {
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

function valueFrom({ write }: Member): unknown {
  const value = write()
  if (!(value instanceof Promise)) return value
  // Its rejection is handled by nothing else: the member fails by the error below.
  value.catch(() => {})
  throw new TdfError('BUG', 'a transaction has no await')
}
