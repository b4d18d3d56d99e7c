/**
 * How a daemon that stands by keeps up: every row once, then what changed. Each look is one snapshot, and a group of writes is one
 * transaction, so that what is read is a state that was.
 */
import { type Change, type Replica, SCHEMA_TABLE } from '../ledger.ts'
import type { Connection, Row } from './connection/connection.ts'

/** What `installation` says, as numbers. */
export interface Installation {
  epoch: number
  seq: number
  beat: number
  /** The number of the newest write when the holder took over. */
  began: number
  /** Marks of removed rows up to this number are gone. */
  pruned: number
  /** The process that serves; null when it gave the installation up. */
  holder: string | null
  /** Who takes it first, while the others wait. */
  heir: string | null
  /** The name and url of the member that serves. */
  name: string | null
  url: string | null
}

const LOOK = `select i.epoch, i.seq, i.beat, i.began, i.pruned, i.holder, case when i.heir_until > clock_timestamp() then i.heir end as heir,
  m.name, m.url from tdf_ledger.installation i left join tdf_ledger.members m on m.process = i.holder`

export async function look(connection: Connection): Promise<Installation> {
  const [row = {}] = await connection.prepared('look', LOOK, [])
  return {
    epoch: Number(row.epoch),
    seq: Number(row.seq),
    beat: Number(row.beat),
    began: Number(row.began),
    pruned: Number(row.pruned),
    holder: textOf(row.holder),
    heir: textOf(row.heir),
    name: textOf(row.name),
    url: textOf(row.url),
  }
}

const textOf = (value: unknown) => (value === null || value === undefined ? null : String(value))

/** Rows that were written after `seq`, and the number of the newest of them. */
export async function readSince(connection: Connection, seq: number): Promise<{ changes: Change[]; seq: number }> {
  const rows = await connection.prepared('since', 'select tbl, pk, data, seq from tdf_ledger.rows where seq > $1', [
    seq,
  ])
  return { changes: rows.map(changeOf), seq: rows.reduce((newest, row) => Math.max(newest, Number(row.seq)), seq) }
}

const CHUNK_ROWS = 5_000

/** Every row, in one snapshot; `take` gets them in parts. Answers the number of the newest write in them. */
export async function readAll(connection: Connection, take: (changes: Change[]) => void): Promise<number> {
  await connection.query('begin isolation level repeatable read read only')
  const { seq } = await look(connection)
  // A replica takes no row before it knows the schema.
  const select = 'select tbl, pk, data from tdf_ledger.rows where data is not null and tbl'
  take((await connection.query(`${select} = $1`, [SCHEMA_TABLE])).map(changeOf))
  await connection.query(`declare every cursor for ${select} <> '${SCHEMA_TABLE}'`)
  for (;;) {
    const rows = await connection.query(`fetch ${CHUNK_ROWS} from every`)
    if (rows.length === 0) break
    take(rows.map(changeOf))
  }
  await connection.query('commit')
  return seq
}

function changeOf({ tbl, pk, data }: Row): Change {
  return { table: String(tbl), key: String(pk), row: textOf(data) }
}

/** A replica, and how far it is. */
export interface Following<R extends Replica> {
  replica: R
  seq: number
  /** Who served when it was last looked at. */
  epoch: number
  holder: string | null
}

/**
 * Whether what the replica has is still a beginning of what is stored. It is not when PostgreSQL lost writes in a failover to a
 * standby that was not synchronous, or when marks of removed rows are gone that it did not see.
 */
export function isBeginning(following: Omit<Following<Replica>, 'replica'>, now: Installation): boolean {
  if (now.seq < following.seq || now.pruned > following.seq) return false
  if (now.epoch === following.epoch && now.holder === following.holder) return true
  // Given up and not taken yet.
  if (now.epoch === following.epoch && now.holder === null) return true
  return now.epoch === following.epoch + 1 && now.began >= following.seq
}
