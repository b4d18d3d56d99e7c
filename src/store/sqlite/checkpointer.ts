/**
 * Writes the write-ahead log home in a pause: a call that comes meanwhile waits for it, some ms. SQLite's own way,
 * within the commit that fills the log, met one callback in a hundred at fifty a second; it is left for a load that
 * never pauses.
 */
import type { World } from '../../platform/world.ts'
import type { Sql } from './sql.ts'

/** A commit writes some ten pages of 4 KiB. */
const COMMITS = 100
const PAUSE_MS = 5

export interface WriteHome {
  /** Called after each commit. */
  committed(): void
  stop(): void
}

export function createCheckpointer(sql: Sql, { clock }: Pick<World, 'clock'>): WriteHome {
  let commits = 0
  let lastAt = 0
  let cancel: (() => void) | undefined

  function plan(): void {
    cancel = clock.timer(PAUSE_MS, () => {
      cancel = undefined
      if (clock.mono() - lastAt < PAUSE_MS) plan()
      else checkpoint()
    })
  }

  function checkpoint(): void {
    commits = 0
    // A backup copies the file: until it is done, the file stays as it is.
    if (sql.one('pragma wal_autocheckpoint')?.wal_autocheckpoint === 0) return
    try {
      sql.script('pragma wal_checkpoint(passive)')
    } catch {
      // What is in the log is durable; it goes home another time, and a full disk is told by the next commit.
    }
  }

  return {
    committed() {
      commits += 1
      lastAt = clock.mono()
      if (commits >= COMMITS && !cancel) plan()
    },
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}
