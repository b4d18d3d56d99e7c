/** The ledger of the daemon that serves: writes by number, a beat while there is nothing to write, and an end when it is fenced. */
import { asTdfError, type TdfError } from '../../../core/errors.ts'
import { type Cancel, type Clock, makeLines, sleep } from '../../../platform/world.ts'
import type { BlobStore, Change, Ledger, Position } from '../ledger.ts'
import { BEAT_MS, lock } from './claim.ts'
import type { Connection } from './connection.ts'
import { readAll } from './follow.ts'
import type { Session } from './session.ts'

export interface ServingParts {
  session: Session
  clock: Clock
  taken: Position
  /** What the replica does not have yet. */
  missing: readonly Change[]
  /** Holds the installation. */
  process: string
  blobs: BlobStore
}

const APPLY = 'select tdf_ledger.apply($1, $2, $3, $4, $5)'
const BEAT = 'select tdf_ledger.beat($1, $2)'
const GIVE_UP = 'update tdf_ledger.installation set holder = null where epoch = $1 and holder = $2'
const CLOSE_MS_MAX = 2_000
export function createServing({ session, clock, taken, missing, process, blobs }: ServingParts): Ledger {
  const { epoch } = taken
  let seq = taken.seq
  let rows: readonly Change[] = missing
  let lost: TdfError | undefined
  let tell: (why: string) => void = () => {}
  let isClosed = false
  let movedAt = clock.mono()
  let locked: Connection | undefined
  let cancel: Cancel = () => {}

  /** One after the other: an answer that is asked for again is about the number that it was asked with. */
  const line = makeLines()
  const ask = <T>(act: (connection: Connection) => Promise<T>) => line('ask', () => asked(act))

  async function asked<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    if (lost) throw lost
    try {
      return await session.ask(act)
    } catch (thrown) {
      const error = asTdfError(thrown)
      if (error.code === 'FENCED') lose(error)
      throw error
    }
  }

  function lose(error: TdfError): void {
    if (lost) return
    lost = error
    tell(error.message)
  }

  async function beat(): Promise<void> {
    await ask(async connection => {
      // Writes go by the epoch; the lock tells the others at once that this process is gone.
      if (locked !== connection && (await lock(connection))) locked = connection
      if (clock.mono() - movedAt >= BEAT_MS) await connection.prepared('beat', BEAT, [epoch, seq])
    })
  }

  function next(): void {
    if (isClosed || lost) return
    cancel = clock.timer(BEAT_MS, () => {
      beat().then(next, next)
    })
  }
  next()

  return {
    position: () => ({ epoch, seq }),
    rows() {
      const all = rows
      rows = []
      return all
    },
    async write(changes) {
      const columns = [changes.map(c => c.table), changes.map(c => c.key), changes.map(c => c.row)]
      await ask(connection => connection.prepared('apply', APPLY, [epoch, seq + 1, ...columns]))
      seq += 1
      movedAt = clock.mono()
    },
    async reload() {
      return ask(async connection => {
        // Who was taken over from reads nothing that it would go on with.
        await connection.prepared('beat', BEAT, [epoch, seq])
        const every: Change[] = []
        await readAll(connection, changes => void every.push(...changes))
        return every
      })
    },
    outage: session.outage,
    onLost(then) {
      tell = then
      if (lost) then(lost.message)
    },
    blobs,
    async close() {
      isClosed = true
      cancel()
      if (!lost) {
        const timeUp = new AbortController()
        const given = session.ask(connection => connection.query(GIVE_UP, [epoch, process])).catch(() => {})
        await Promise.race([given, sleep(clock, CLOSE_MS_MAX, timeUp.signal).catch(() => {})])
        timeUp.abort()
      }
      session.close()
    },
  }
}
