/**
 * Group commit: writes that are ready in the same turn of the event loop share one transaction, so that one fsync
 * serves many. Each member sits in a SAVEPOINT of its own: when it throws, it alone is undone. When COMMIT fails,
 * every member is refused and nobody is told that anything was stored.
 */
import { asTdfError, TdfError } from '../errors.ts'
import type { World } from '../world.ts'
import type { Sql } from './sql.ts'

const MEMBERS_MAX = 256
const GROUP_MS_MAX = 5

interface Member {
  write: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

export interface Group {
  /** Runs `write` inside the next group; resolves with its value once it is durable. `write` has no await. */
  commit<T>(write: () => T): Promise<T>
  /** Inside a `write`: runs `then` right after COMMIT, before any promise resolves; forgotten if the write is undone. */
  afterCommit(then: () => void): void
}

/** `onFull`: see openStore. */
export function createGroup(sql: Sql, world: World, onFull: () => boolean = () => false): Group {
  let queue: Member[] = []
  let scheduled = false
  let deferred: (() => void)[] = []

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    world.clock.turn(() => {
      scheduled = false
      flush()
      if (queue.length > 0) schedule()
    })
  }

  function flush(): void {
    const group = queue.slice(0, MEMBERS_MAX)
    const started = world.clock.mono()
    const done: { member: Member; value: unknown }[] = []
    let taken = 0
    try {
      sql.script('begin immediate')
      for (const member of group) {
        taken += 1
        runMember(member, done)
        if (world.clock.mono() - started > GROUP_MS_MAX) break
      }
      world.power('before', 'commit')
      sql.script('commit')
      world.power('after', 'commit')
    } catch (error) {
      rollBack()
      const refused = storageError(error)
      if (refused.code === 'DISK_FULL' && onFull()) return
      queue = queue.slice(taken || group.length)
      for (const { member } of done) member.reject(refused)
      if (taken === 0) for (const member of group) member.reject(refused)
      return
    }
    queue = queue.slice(taken)
    const then = deferred
    deferred = []
    for (const act of then) act()
    for (const { member, value } of done) member.resolve(value)
  }

  function runMember(member: Member, done: { member: Member; value: unknown }[]): void {
    const mark = deferred.length
    sql.script('savepoint member')
    try {
      const value = member.write()
      if (value instanceof Promise) {
        // Its own failure is nobody's: the member fails by this one.
        value.catch(() => {})
        throw new TdfError('BUG', 'a transaction has no await')
      }
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
      member.reject(error)
    }
  }

  function rollBack(): void {
    deferred = []
    if (sql.inTransaction()) sql.script('rollback')
  }

  return {
    commit<T>(write: () => T) {
      return new Promise<T>((resolve, reject) => {
        // The value that comes back is what `write` returned.
        queue.push({ write, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
    afterCommit: then => void deferred.push(then),
  }
}

const UNWRITABLE = ['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_READONLY', 'SQLITE_CANTOPEN']

/** SQLITE_FULL, I/O errors and locks are about the place, not about what was written. */
export function storageError(error: unknown): TdfError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code.startsWith('SQLITE_FULL') || code.startsWith('SQLITE_IOERR')) {
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
