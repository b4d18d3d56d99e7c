/** The ledger of the daemon that serves: writes by number, a beat while there is nothing to write, and an end when it is fenced. */
import { asTdfError, type TdfError } from '../../../core/errors.ts'
import { type Clock, makeLines } from '../../../platform/world.ts'
import type { BlobStore, Change, Ledger, Position } from '../ledger.ts'
import { BEAT_MS, lock } from './claim.ts'
import type { Connection } from './connection/connection.ts'
import type { Session } from './connection/session.ts'
import { readAll } from './follow.ts'
import { repeat } from './upkeep.ts'

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

export function createServing({ session, clock, taken, missing, process, blobs }: ServingParts): Ledger {
  const { epoch } = taken
  const fence = createFence(session)
  let seq = taken.seq
  let rows: readonly Change[] = missing
  let movedAt = clock.mono()
  let locked: Connection | undefined
  const beat = (connection: Connection) => connection.prepared('beat', BEAT, [epoch, seq])

  const stopBeating = repeat(clock, BEAT_MS, () =>
    fence.ask(async connection => {
      // Writes go by the epoch; the lock tells the others at once that this process is gone.
      if (locked !== connection && (await lock(connection))) locked = connection
      if (clock.mono() - movedAt >= BEAT_MS) await beat(connection)
    }),
  )
  fence.onLost(stopBeating)

  return {
    position: () => ({ epoch, seq }),
    rows() {
      const all = rows
      rows = []
      return all
    },
    write: changes =>
      fence.ask(async connection => {
        const columns = [changes.map(c => c.table), changes.map(c => c.key), changes.map(c => c.row)]
        await connection.prepared('apply', APPLY, [epoch, seq + 1, ...columns])
      }, stored),
    reload: () =>
      fence.ask(async connection => {
        // A daemon that was taken over from reads nothing that it would go on with.
        await beat(connection)
        const every: Change[] = []
        await readAll(connection, changes => void every.push(...changes))
        return every
      }),
    outage: session.outage,
    onLost: fence.onLost,
    blobs,
    async close() {
      stopBeating()
      if (fence.isLost()) session.close()
      else await session.closeAfter(connection => connection.query(GIVE_UP, [epoch, process]))
    },
  }

  function stored(): void {
    seq += 1
    movedAt = clock.mono()
  }
}

/** Asks one after the other: what is asked for again is about the number that it was asked with first. Nothing is asked once it is lost. */
function createFence(session: Session) {
  const line = makeLines()
  const told: ((why: string) => void)[] = []
  let lost: TdfError | undefined

  function lose(error: TdfError): void {
    if (lost) return
    lost = error
    for (const tell of told) tell(error.message)
  }

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

  return {
    /** `then` runs with the answer, before anything else is asked. */
    ask: <T>(act: (connection: Connection) => Promise<T>, then: () => void = () => {}): Promise<T> =>
      line('ask', async () => {
        const value = await asked(act)
        then()
        return value
      }),
    isLost: () => lost !== undefined,
    onLost(then: (why: string) => void) {
      told.push(then)
      if (lost) then(lost.message)
    },
  }
}
