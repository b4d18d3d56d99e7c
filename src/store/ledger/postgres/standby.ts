/** A daemon that stands by: follows what is stored into a replica, and takes the installation over when it is to be taken. */
import type { Log } from '../../../platform/log.ts'
import { type Clock, sleep } from '../../../platform/world.ts'
import type { Change, Position, Replica } from '../ledger.ts'
import { claim, type Looker, type Sight, seen } from './claim.ts'
import type { Connection } from './connection/connection.ts'
import type { Session } from './connection/session.ts'
import { type Following, type Installation, isBeginning, look, readAll, readSince } from './follow.ts'

export interface StandbyParts<R extends Replica> {
  session: Session
  clock: Clock
  log: Log
  looker: Looker
  /** An empty one. */
  createReplica(): R
  /** Told at each look who serves. */
  saw(installation: Installation): void
}

export interface Taken<R extends Replica> {
  replica: R
  at: Position
  /** What the replica does not have yet. */
  missing: readonly Change[]
}

const LOOK_MS = 100

/** Resolves once this daemon serves. Rejects with the reason of the signal, or with what a replica throws (STATE_NEWER). */
export async function standBy<R extends Replica>(parts: StandbyParts<R>, signal: AbortSignal): Promise<Taken<R>> {
  const { session, clock, looker, saw } = parts
  let following: Following<R> | undefined
  let sight: Sight | undefined
  try {
    for (;;) {
      signal.throwIfAborted()
      const now = await session.ask(look)
      saw(now)
      sight = seen(sight, now, clock.mono())
      following = await follow(parts, following, now)
      const current = sight
      const epoch = await session.ask(connection => claim(connection, current, looker, clock.mono()))
      if (epoch !== undefined) return await taken(session, following, epoch)
      await sleep(clock, LOOK_MS, signal)
    }
  } catch (error) {
    following?.replica.close()
    throw error
  }
}

/** Brings the replica up to what is stored, or makes a new one. */
async function follow<R extends Replica>(
  parts: StandbyParts<R>,
  before: Following<R> | undefined,
  now: Installation,
): Promise<Following<R>> {
  const { session, log } = parts
  const at = { epoch: now.epoch, holder: now.holder }
  if (before && isBeginning(before, now)) {
    if (before.seq >= now.seq) return { ...before, ...at }
    const { changes, seq } = await session.ask(connection => readSince(connection, before.seq))
    if (before.replica.apply(changes) === 'applied') return { ...before, ...at, seq }
  }
  if (before)
    log.warn(
      { from: before.seq, to: now.seq },
      'what this daemon followed is not what is stored any more: it reads everything anew',
    )
  before?.replica.close()
  return { ...(await session.ask(connection => load(connection, parts.createReplica))), ...at }
}

async function load<R extends Replica>(
  connection: Connection,
  createReplica: () => R,
): Promise<{ replica: R; seq: number }> {
  const replica = createReplica()
  try {
    return { replica, seq: await readAll(connection, changes => void replica.apply(changes)) }
  } catch (error) {
    replica.close()
    throw error
  }
}

/** Nothing is written any more by another epoch: what was written until then is read last. */
async function taken<R extends Replica>(
  session: Session,
  { replica, seq }: Following<R>,
  epoch: number,
): Promise<Taken<R>> {
  const newest = await session.ask(async connection => ({
    ...(await readSince(connection, seq)),
    now: await look(connection),
  }))
  return { replica, at: { epoch, seq: newest.now.seq }, missing: newest.changes }
}
