/** The one installation of a database: made by the first daemon, met by the others. */
import { TdfError } from '../../../core/errors.ts'
import type { Connection, Row } from './connection/connection.ts'
import type { Session } from './connection/session.ts'
import { FORMAT, LATER_COLUMNS, PREPARING_LOCK, SCHEMA } from './schema.ts'

export interface Identity {
  /** Marks the machines of the installation; 16 hex characters. */
  id: string
  keyCheck: KeyCheck
}

/** What only a daemon with the same key can tell. It is asked with what the installation has, null while that has none. */
export type KeyCheck = (known: string | null) => string

/**
 * Makes the tables where there are none, and answers the id of the installation: `identity.id` when this daemon is the first. Throws
 * STATE_NEWER when a newer tdf made them, and STATE_FOREIGN when the installation has another key.
 */
export async function prepareInstallation(session: Session, identity: Identity): Promise<string> {
  const { row, own } = await session.ask(connection => met(connection, identity))
  const format = Number(row.format)
  if (format > FORMAT) {
    const message = `the database is of format ${format}, this tdf knows up to ${FORMAT}; install the newer tdf again`
    throw new TdfError('STATE_NEWER', message)
  }
  if (row.key_check !== own) {
    const message =
      'the database belongs to an installation with another key: [cluster] key_file must be the same on every daemon'
    throw new TdfError('STATE_FOREIGN', message, { hint: 'tdf config show' })
  }
  return String(row.id)
}

/** Daemons that start at once make it one after the other. */
async function met(connection: Connection, identity: Identity): Promise<{ row: Row; own: string }> {
  const [known] = await connection.query(
    "select to_regclass('tdf_ledger.installation') is not null as made, current_setting('server_encoding') as encoding",
  )
  if (known?.encoding !== 'UTF8') {
    throw new TdfError('CONFIG_INVALID', `the database is in ${known?.encoding}; tdf needs one in UTF8`)
  }
  if (known?.made !== true) await make(connection, identity)
  await addColumns(connection)
  const read = 'select format, id, key_check from tdf_ledger.installation'
  const before = one(await connection.query(read))
  const own = identity.keyCheck(before.key_check === null ? null : String(before.key_check))
  // The first daemon's key is that of the installation.
  await connection.query('update tdf_ledger.installation set key_check = $1 where key_check is null', [own])
  return { row: one(await connection.query(read)), own }
}

function one([row]: readonly Row[]): Row {
  if (!row) throw new TdfError('STATE_CORRUPT', 'tdf_ledger.installation in the database has no row')
  return row
}

async function addColumns(connection: Connection): Promise<void> {
  const column = "attrelid = 'tdf_ledger.members'::regclass and attname = 'skew_ms'"
  const [known] = await connection.query(`select 1 from pg_attribute where ${column}`)
  if (!known) await connection.query(LATER_COLUMNS)
}

async function make(connection: Connection, { id }: Identity): Promise<void> {
  await connection.query('begin')
  await connection.query(`select pg_advisory_xact_lock(${PREPARING_LOCK})`)
  const [known] = await connection.query(
    "select to_regclass('tdf_ledger.installation') is not null as made, to_regnamespace('tdf_ledger') is not null as named",
  )
  if (known?.made !== true) {
    // A schema that was made for us needs no right to make one.
    if (known?.named !== true) await connection.query('create schema tdf_ledger')
    await connection.query(SCHEMA)
    await connection.query('insert into tdf_ledger.installation (format, id) values ($1, $2)', [FORMAT, id])
  }
  await connection.query('commit')
}
