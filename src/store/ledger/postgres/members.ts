/** The daemons that share an installation. Times are the database's, so that clocks of hosts are not compared. */
import type { Connection } from './connection/connection.ts'

export interface Member {
  name: string
  role: 'serving' | 'standby'
  /** That of the installation, which the serving member writes by. */
  epoch: number
  version: string
  /** Where the others hand on what they are asked. */
  url: string
  /** Unix ms, by the clock of the database. */
  seenAt: number
  /** Whether it gave a sign of life within the time in which each does. */
  isThere: boolean
  /** Of its key file as it is now; empty when that cannot be read, null of a daemon that does not tell it. */
  keyCheck: string | null
  /** How far its clock is ahead of the database's, ms, with the way there; null of a daemon that does not tell it. */
  skewMs: number | null
}

export interface About {
  name: string
  /** The daemon's place, which is the same after a restart, then one word for this run of it. */
  process: string
  url: string
  version: string
}

/** What changes from one sign of life to the next. */
export interface Sign {
  keyCheck: string
  /** Its clock, Unix ms. */
  now: number
}

const THERE = '10 seconds'
const FORGOTTEN = '1 day'

const SIGN = `insert into tdf_ledger.members as m (name, process, url, version, key_check, skew_ms)
  values ($1, $2, $3, $4, $5, $6 - extract(epoch from clock_timestamp()) * 1000)
  on conflict (name) do update set process = excluded.process, url = excluded.url, version = excluded.version, seen_at = now(),
    started_at = case when m.process = excluded.process then m.started_at else now() end,
    key_check = excluded.key_check, skew_ms = excluded.skew_ms
  where split_part(m.process, ' ', 1) = split_part(excluded.process, ' ', 1) or m.seen_at <= now() - interval '${THERE}'
  returning 1`

/** A sign of life. Answers when (Unix ms) another daemon of that name gave one lately: then the name is that one's. */
export async function giveSign(
  connection: Connection,
  { name, process, url, version }: About,
  { keyCheck, now }: Sign,
): Promise<number | null> {
  const [mine] = await connection.prepared('sign', SIGN, [name, process, url, version, keyCheck, now])
  if (mine) return null
  const seen = 'select extract(epoch from seen_at) * 1000 as seen_at from tdf_ledger.members where name = $1'
  const [other] = await connection.query(seen, [name])
  return Number(other?.seen_at ?? 0)
}

const LIST = `select m.name, m.url, m.version, i.epoch, m.process is not distinct from i.holder as serves, m.key_check, m.skew_ms,
    extract(epoch from m.seen_at) * 1000 as seen_at, m.seen_at > now() - interval '${THERE}' as there
  from tdf_ledger.members m, tdf_ledger.installation i where m.seen_at > now() - interval '${FORGOTTEN}' order by m.name`

export async function readMembers(connection: Connection): Promise<Member[]> {
  const rows = await connection.query(LIST)
  return rows.map(row => ({
    name: String(row.name),
    role: row.serves === true ? 'serving' : 'standby',
    epoch: Number(row.epoch),
    version: String(row.version),
    url: String(row.url),
    seenAt: Math.round(Number(row.seen_at)),
    isThere: row.there === true,
    keyCheck: row.key_check === null ? null : String(row.key_check),
    skewMs: row.skew_ms === null ? null : Math.round(Number(row.skew_ms)),
  }))
}

/** Who ends in an orderly way is not waited for. */
export async function forgetMember(connection: Connection, { name, process }: About): Promise<void> {
  await connection.query('delete from tdf_ledger.members where name = $1 and process = $2', [name, process])
}

/** What can be asked of the database without rights of its own. */
export interface DatabaseFacts {
  version: string
  /** Of the key of the installation. */
  keyCheck: string
  /** Servers that follow it. */
  standbys: number
  /** Whether a commit waits for one of them. */
  isSynchronous: boolean
}

const FACTS = `select current_setting('server_version') as version,
  (select key_check from tdf_ledger.installation) as key_check,
  (select count(*) from pg_stat_replication) as standbys,
  current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') not in ('off', 'local') as synchronous`

export async function readFacts(connection: Connection): Promise<DatabaseFacts> {
  const [row] = await connection.query(FACTS)
  return {
    version: String(row?.version).replace(/ .*/, ''),
    keyCheck: String(row?.key_check ?? ''),
    standbys: Number(row?.standbys),
    isSynchronous: row?.synchronous === true,
  }
}
