/** The store as the daemon holds it: one connection, one way to write. */
import type { World } from '../platform/world.ts'
import type { BlobStore } from './ledger/ledger.ts'
import { createCheckpointer } from './sqlite/checkpointer.ts'
import { createGroup, type Group } from './sqlite/group-commit.ts'
import { openDatabase } from './sqlite/open.ts'
import type { Sql } from './sqlite/sql.ts'
import { createJournal, type Journal } from './tables/journal.ts'
import { refuseMoved } from './tables/meta.ts'

export interface Store extends Group {
  /** Where writes become durable: a file of this daemon, or a database that several daemons share. */
  kind: 'file' | 'ledger'
  /**
   * As `commit`, for a caller that waits for an answer. Where the ledger gives none for some seconds it rejects with STORE_AWAY: what
   * had begun may be stored later all the same, so the same is asked for again under the same name.
   */
  answered: Group['commit']
  /** For reading at any time; writes go through `commit`. */
  sql: Sql
  /** Inside a write: puts an event on the record. */
  append: Journal['append']
  /** Who hears of each event once it is durable; the engine is the one. */
  listen: Journal['listen']
  /** Where bytes beside the rows are kept; null: they are files of the state folder, and nowhere else. */
  blobs: BlobStore | null
  durableSeq: Journal['durableSeq']
  /**
   * Resolves once all that can be read now is durable; undefined when it is. Reads show a group that is on its way to the ledger: that
   * may be looked at, and nothing may be promised by it. Rejects as `answered` does.
   */
  durable(): Promise<void> | undefined
  /**
   * The same for what cannot be taken back outside, such as a workspace that is deleted: waits for as long as it takes, and rejects when
   * what was read will not be stored. Asked for in the turn of the read.
   */
  settled(): Promise<void> | undefined
  close(): Promise<void> | void
}

/** Throws STATE_ELSEWHERE and what openDatabase does. `onFull` is asked when the disk is full: true when it made room, and the same writes are tried once more. */
export function openStore(stateDir: string, world: World, onFull: () => boolean = () => false): Store {
  const sql = openDatabase(stateDir)
  try {
    refuseMoved(sql)
  } catch (error) {
    sql.close()
    throw error
  }
  const journal = createJournal(sql)
  const checkpoint = createCheckpointer(sql, world)
  const group = createGroup({ sql, world, participant: journal, onFull, committed: checkpoint.committed })
  return {
    ...group,
    answered: group.commit,
    kind: 'file',
    append: journal.append,
    listen: journal.listen,
    blobs: null,
    durableSeq: journal.durableSeq,
    durable: () => undefined,
    settled: () => undefined,
    sql,
    close: () => {
      checkpoint.stop()
      sql.script('pragma wal_checkpoint(truncate)')
      sql.close()
    },
  }
}
