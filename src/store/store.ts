/** The store as the daemon holds it: one connection, one way to write. */
import type { World } from '../platform/world.ts'
import type { BlobStore } from './ledger/ledger.ts'
import { createCheckpointer } from './sqlite/checkpointer.ts'
import { createGroup, type Group } from './sqlite/group-commit.ts'
import { openDatabase } from './sqlite/open.ts'
import type { Sql } from './sqlite/sql.ts'
import { createJournal, type Journal } from './tables/journal.ts'

export interface Store extends Group {
  /** Where writes become durable: a file of this daemon, or a database that several daemons share. */
  kind: 'file' | 'ledger'
  /** For reading at any time; writes go through `commit`. */
  sql: Sql
  /** Inside a write: puts an event on the record. */
  append: Journal['append']
  /** Who hears of each event once it is durable; the engine is the one. */
  listen: Journal['listen']
  /** Where bytes beside the rows are kept; null: they are files of the state folder, and nowhere else. */
  blobs: BlobStore | null
  close(): Promise<void> | void
}

/** `onFull` is asked when the disk is full: true when it made room, and the same writes are tried once more. */
export function openStore(stateDir: string, world: World, onFull: () => boolean = () => false): Store {
  const sql = openDatabase(stateDir)
  const journal = createJournal(sql)
  const checkpoint = createCheckpointer(sql, world)
  return {
    ...createGroup({ sql, world, participant: journal, onFull, committed: checkpoint.committed }),
    kind: 'file',
    append: journal.append,
    listen: journal.listen,
    blobs: null,
    sql,
    close: () => {
      checkpoint.stop()
      sql.script('pragma wal_checkpoint(truncate)')
      sql.close()
    },
  }
}
