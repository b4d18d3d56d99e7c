/** `[disk]`, `[backups]` and `[retention]`: how the daemon keeps its own state safe and small. */
import { z } from 'zod'
import { count, duration, size } from './kinds.ts'

export const diskTable = z
  .strictObject({
    low: size('1GiB', 'With less room than this on its disk the daemon begins no task and takes no result in.', {
      atLeast: '0B',
    }),
    reserve: size('64MiB', 'Room that is kept for the state and given up when the disk is full. "0B": none.', {
      atLeast: '0B',
    }),
  })
  .prefault({})
  .meta({ description: "Room on the daemon's own disk." })

export const backupsTable = z
  .strictObject({
    interval: duration('24h', 'How often the database is backed up, into the folder backups beside it.', {
      atLeast: '1m',
    }),
    keep: count(7, [0, 1_000], 'So many of these backups are kept. 0: none is made.'),
  })
  .prefault({})
  .meta({ description: 'Backups of the database.' })

export const retentionTable = z
  .strictObject({
    journal: duration('30d', 'What happened is kept this long, for `tdf events`; tasks stay until rm or prune.', {
      atLeast: '1h',
    }),
    journal_rows: count(1_000_000, [1_000, 100_000_000], 'And at most so many rows of it.'),
    errors: duration('30d', 'Failures are kept this long, for `tdf errors`.', { atLeast: '1h' }),
    errors_rows: count(100_000, [1_000, 10_000_000], 'And at most so many of them.'),
    logs: duration('90d', "The logs of a task's session are kept this long after its end.", { atLeast: '1h' }),
  })
  .prefault({})
  .meta({ description: 'How long history is kept.' })
