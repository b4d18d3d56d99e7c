/** What a jump of the clock does to the times in the rows. */
import type { Sql } from '../sqlite/sql.ts'

/**
 * Inside a write: nothing could run for `gapMs`, so every running deadline moves along. `rev` goes up, so that a run which
 * read the old deadline is taken again instead of writing it back. A clock that was set back (`gapMs` < 0) takes what is
 * planned along, or it would all come late by so much.
 */
export function moveTimes(sql: Sql, gapMs: number): void {
  sql.run(
    'update attempts set rev = rev + 1, deadline_at = deadline_at + ?, absolute_at = absolute_at + ? where live = 1',
    gapMs,
    gapMs,
  )
  sql.run('update nodes set rev = rev + 1, deadline_at = deadline_at + ? where deadline_at is not null', gapMs)
  if (gapMs >= 0) return
  sql.run('update attempts set wake_at = wake_at + ? where live = 1', gapMs)
  sql.run('update nodes set rev = rev + 1, wake_at = wake_at + ? where wake_at is not null', gapMs)
  sql.run("update cleanups set due_at = due_at + ? where state = 'pending'", gapMs)
  sql.run('update outbox set due_at = due_at + ?', gapMs)
}
