/**
 * The seam between the store and a database elsewhere: what a store asks of the place that makes its writes durable when
 * that is not a file of its own. The serving daemon works on a database in memory; rows that a group touched go through here.
 */

/** A row as it is after a group of writes, or that it is gone. */
export interface Change {
  table: string
  /** A JSON array of the values of its primary key, in the order of the key. */
  key: string
  /** A JSON object, a property for each column; null when the row is gone. */
  row: string | null
}

/** Where an installation stands: `epoch` grows with each takeover, `seq` with each write. */
export interface Position {
  epoch: number
  seq: number
}

export interface Ledger {
  /** That of the newest write which is known to be durable. */
  position(): Position
  /**
   * What the replica was not given yet when this daemon took over: every row where it followed nothing, else what it
   * missed (rows that are gone included). Asked once, by openLedgerStore.
   */
  rows(): readonly Change[]
  /**
   * Makes one group durable: all of it or nothing. One at a time. Resolves once it is; rejects with FENCED when another
   * daemon serves, and then stored nothing. While the database is away it asks again by itself and does not reject.
   */
  write(changes: readonly Change[]): Promise<void>
  /** Every row as it is stored, with the newest write of this daemon; none that is gone. Waits like `write`; rejects with FENCED. */
  reload(): Promise<readonly Change[]>
  /** Since when (Unix ms) the database answers nothing, and what it last said; null while all is well. */
  outage(): { since: number; error: string } | null
  /** Called once, when another daemon serves: this one has to end. */
  onLost(then: (why: string) => void): void
  blobs: BlobStore
  /** Gives the installation up, so that a daemon that stands by takes it at once. Not before the last `write` is answered. */
  close(): Promise<void>
}

/** Bytes beside the rows: results, bundles, logs, session files. Names are paths with forward slashes. */
export interface BlobStore {
  /** Whole or not at all, in the place of an older one of that name; durable when it resolves. */
  put(name: string, parts: AsyncIterable<Buffer>): Promise<void>
  /** Null when there is none. */
  get(name: string): Promise<AsyncIterable<Buffer> | null>
  /** Names that are not there are no error. */
  remove(names: readonly string[]): Promise<void>
  /** Names that begin with `prefix`, sorted. */
  list(prefix: string): Promise<string[]>
}

/** A database in memory that follows what is stored, so that a takeover reads only what is missing. */
export interface Replica {
  /**
   * Takes rows over, in any order, the schema's row with the first of them; what a takeover finds must be whole groups.
   * Answers `stale`, and took nothing, when the schema moved meanwhile: then a new replica is given every row. Throws STATE_NEWER when the rows are of a schema that this build does not know.
   */
  apply(changes: readonly Change[]): 'applied' | 'stale'
  close(): void
}

/** The number of the schema is stored as a row of this table. */
export const SCHEMA_TABLE = 'schema'

export function schemaRow(version: number): Change {
  return { table: SCHEMA_TABLE, key: '["version"]', row: JSON.stringify({ version }) }
}

/** Which row it is, the same before and after a change of it. */
export const rowName = ({ table, key }: Change) => `${table} ${key}`
