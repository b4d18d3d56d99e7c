/** What a daemon does beside its work, now and then: a sign of life, and room for the one that serves. */
import type { Cancel, Clock } from '../../../platform/world.ts'
import type { Session } from './connection/session.ts'

const SIGN_MS = 2_000
/** Marks of removed rows are kept for so many writes: a daemon that stands by reads them within tenths of a second. */
const KEPT_WRITES = 5_000
const PRUNED_ROWS_MAX = 20_000

const PRUNE = `update tdf_ledger.installation set pruned = seq - ${KEPT_WRITES}
  where holder = $1 and seq - pruned > ${2 * KEPT_WRITES}`
const DROP_MARKS = `delete from tdf_ledger.rows where ctid = any (array(select r.ctid from tdf_ledger.rows r, tdf_ledger.installation i
  where r.data is null and r.seq <= i.pruned and i.holder = $1 limit ${PRUNED_ROWS_MAX}))`

/** `sign` gives a sign of life. Answers how it ends. */
export function keepUp(session: Session, clock: Clock, process: string, sign: () => Promise<unknown>): () => void {
  return repeat(clock, SIGN_MS, async () => {
    await sign()
    await session.ask(connection => connection.query(PRUNE, [process]))
    await session.ask(connection => connection.query(DROP_MARKS, [process]))
  })
}

/** Again and again, `everyMs` after the end of the one before; a failure is told elsewhere. Answers how it ends. */
export function repeat(clock: Clock, everyMs: number, act: () => Promise<unknown>): () => void {
  let isStopped = false
  let cancel: Cancel = () => {}
  const next = () => {
    if (!isStopped) cancel = clock.timer(everyMs, () => void act().then(next, next))
  }
  next()
  return () => {
    isStopped = true
    cancel()
  }
}
