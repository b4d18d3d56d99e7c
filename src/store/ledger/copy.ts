/** The state of daemons that share a database, seen from outside: in one snapshot, whichever daemon serves, without the key. */
import { TdfError } from '../../core/errors.ts'
import { silentLog } from '../../platform/log.ts'
import type { Clock } from '../../platform/world.ts'
import { backUp } from '../sqlite/backup.ts'
import { MIGRATIONS } from '../sqlite/migrations.ts'
import type { Sql } from '../sqlite/sql.ts'
import { writeBackupOf, writeMoved } from '../tables/meta.ts'
import { SCHEMA_TABLE } from './ledger.ts'
import type { Connection, Row } from './postgres/connection/connection.ts'
import { hostsOf } from './postgres/connection/hosts.ts'
import { createSession } from './postgres/connection/session.ts'
import { readAll } from './postgres/follow.ts'
import { FORMAT } from './postgres/schema.ts'
import { type MemoryReplica, openReplica } from './replica.ts'

export interface SharedCopy {
  /** In memory, brought to the schema of this build. To be closed. */
  sql: Sql
  installId: string
  /** Fingerprint of the installation's key; null where none was told yet. */
  keyCheck: string | null
  epoch: number
  /** Blobs of which a part is missing. */
  brokenBlobs: string[]
  blobs: number
  /** Hosts and database, for people. */
  where: string
}

/** The database answers within this, in ms. */
const ANSWER_MS_MAX = 10_000
/** Everything is read within this, in ms. */
const READ_MS_MAX = 900_000

/** Throws STORE_AWAY, NOT_FOUND where there is no state, STATE_NEWER, and STATE_CORRUPT where a row cannot be read. */
export async function copyShared(url: string, clock: Clock): Promise<SharedCopy> {
  const hosts = hostsOf(url)
  const session = createSession({ hosts, clock, log: silentLog, application: 'tdf db' })
  const where = `PostgreSQL at ${hosts.map(({ shown }) => shown).join(', ')}`
  async function within<T>(ms: number, act: (connection: Connection) => Promise<T>): Promise<T> {
    let isLate = false
    const cancel = clock.timer(ms, () => {
      isLate = true
      session.close()
    })
    try {
      return await session.ask(act)
    } catch (error) {
      if (!isLate) throw error
      const said = session.outage()?.error
      throw new TdfError('STORE_AWAY', `${where} gave no answer within ${ms / 1_000} s${said ? `: ${said}` : ''}`)
    } finally {
      cancel()
    }
  }
  try {
    const about = await within(ANSWER_MS_MAX, connection => readAbout(connection, where))
    const blobs = await within(READ_MS_MAX, readBlobs)
    const { sql } = await within(READ_MS_MAX, readEverything)
    sql.script(`pragma user_version = ${MIGRATIONS.length}`)
    return { ...about, ...blobs, sql, where }
  } finally {
    session.close()
  }
}

async function readAbout(connection: Connection, where: string) {
  const none = (what: string) => new TdfError('NOT_FOUND', `${where} ${what}`, { hint: 'tdf db export --help' })
  const [made] = await connection.query("select to_regclass('tdf_ledger.installation') is not null as made")
  if (made?.made !== true) throw none('has no state of tdf')
  const [row = {}] = await connection.query('select format, id, key_check, epoch from tdf_ledger.installation')
  if (Number(row.format) > FORMAT) {
    const message = `${where} is of format ${row.format}, this tdf knows up to ${FORMAT}; use the newer tdf`
    throw new TdfError('STATE_NEWER', message)
  }
  const schema = `select 1 from tdf_ledger.rows where tbl = '${SCHEMA_TABLE}' and data is not null`
  if ((await connection.query(schema)).length === 0) throw none('has no state yet, or an export into it was cut off')
  const keyCheck = row.key_check === null ? null : String(row.key_check)
  return { installId: String(row.id), epoch: Number(row.epoch), keyCheck }
}

const BLOBS = `select name, count(*) as parts, max(part) as last from tdf_ledger.blobs where name !~ '^/' group by name order by name`

async function readBlobs(connection: Connection): Promise<{ blobs: number; brokenBlobs: string[] }> {
  const rows = await connection.query(BLOBS)
  const isBroken = ({ parts, last }: Row) => Number(last) !== Number(parts) - 1
  return { blobs: rows.length, brokenBlobs: rows.filter(isBroken).map(({ name }) => String(name)) }
}

/** Asked for again, it begins anew. */
async function readEverything(connection: Connection): Promise<ReturnType<MemoryReplica['takeOver']>> {
  const replica = openReplica()
  try {
    await readAll(connection, changes => void replica.apply(changes))
    return replica.takeOver()
  } catch (error) {
    replica.close()
    throw error
  }
}

/** Into the folder of backups. No daemon takes such a file for its state: it says whose it is. Answers its path. */
export function backUpShared(
  { sql, installId, where }: Pick<SharedCopy, 'sql' | 'installId' | 'where'>,
  stateDir: string,
  name: string,
): string {
  writeMoved(sql, where)
  writeBackupOf(sql, installId)
  return backUp(sql, stateDir, name)
}
