/**
 * Who may take an installation over, and when. The fence alone decides who writes; the rules here keep daemons that are well from
 * taking it from each other. Time is that of the daemon that looks, and never compared with another's.
 */
import type { Connection } from './connection/connection.ts'
import type { Installation } from './follow.ts'
import { SERVING_LOCK } from './schema.ts'

/** The daemon that serves moves something at least so often, in ms. */
export const BEAT_MS = 200
/** What stands still for so long, and whose lock is free, has lost its daemon or its connection; that comes back sooner. */
const STILL_MS = 500
/** A daemon whose connection is there and that does nothing is given up after this, in ms. */
const SILENT_MS = 3_000
/** Looks that are so far apart, in ms, mean that the database was away: from the daemon that serves, too. */
const GAP_MS = 2_000

export interface Looker {
  /** The member's name, for the one that it is handed over to. */
  name: string
  /** This run of the daemon; holds the installation once it serves. */
  process: string
}

/** What was seen last, and since when (ms that never jump) it was seen to be as it is. */
export interface Sight {
  installation: Installation
  since: number
  lookedAt: number
  /** Nothing has moved since the database was away: the daemon that serves may still be on its way back to it, without its lock. */
  isBack: boolean
}

export function seen(before: Sight | undefined, installation: Installation, now: number): Sight {
  const isBack = before !== undefined && now - before.lookedAt > GAP_MS
  const moved = before === undefined || position(before.installation) !== position(installation)
  return isBack || moved ? { installation, since: now, lookedAt: now, isBack } : { ...before, lookedAt: now }
}

const position = ({ epoch, seq, beat, holder }: Installation) => JSON.stringify([epoch, seq, beat, holder])

/**
 * Takes it, when it is there to be taken. Answers the epoch from then on. Between the look and this nothing may have moved: that is
 * asked again by the database in the same statement.
 */
export async function claim(
  connection: Connection,
  { installation, since, isBack }: Sight,
  { name, process }: Looker,
  now: number,
): Promise<number | undefined> {
  const stillMs = now - since
  if (installation.holder === null) {
    const isAnothers = installation.heir !== null && installation.heir !== name
    return isAnothers ? undefined : take(connection, installation, process)
  }
  // Its answer to the one that took it was lost.
  const isOwn = installation.holder === process
  if (isOwn || stillMs >= SILENT_MS) return take(connection, installation, process)
  if (isBack || stillMs < STILL_MS || !(await lock(connection))) return undefined
  const epoch = await take(connection, installation, process)
  if (epoch === undefined) await connection.query(`select pg_advisory_unlock(${SERVING_LOCK})`)
  return epoch
}

/** Held by the connection of the daemon that serves: free as soon as its process is gone. */
export async function lock(connection: Connection): Promise<boolean> {
  const [row] = await connection.query(`select pg_try_advisory_lock(${SERVING_LOCK}) as mine`)
  return row?.mine === true
}

const TAKE = `update tdf_ledger.installation
  set epoch = epoch + 1, began = seq, beat = beat + 1, holder = $1, heir = null, heir_until = null
  where epoch = $2 and seq = $3 and beat = $4 and holder is not distinct from $5 returning epoch`

async function take(connection: Connection, installation: Installation, process: string): Promise<number | undefined> {
  const { epoch, seq, beat, holder } = installation
  const [row] = await connection.query(TAKE, [process, epoch, seq, beat, holder])
  return row && Number(row.epoch)
}
