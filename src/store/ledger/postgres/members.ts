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
}

export interface About {
  name: string
  process: string
  url: string
  version: string
}

const THERE = '10 seconds'
const FORGOTTEN = '1 day'

const SIGN = `insert into tdf_ledger.members as m (name, process, url, version) values ($1, $2, $3, $4)
  on conflict (name) do update set process = excluded.process, url = excluded.url, version = excluded.version, seen_at = now(),
    started_at = case when m.process = excluded.process then m.started_at else now() end`

/** A sign of life; the newest process of a name is the one that is known. */
export async function giveSign(connection: Connection, { name, process, url, version }: About): Promise<void> {
  await connection.prepared('sign', SIGN, [name, process, url, version])
}

const LIST = `select m.name, m.url, m.version, i.epoch, m.process is not distinct from i.holder as serves,
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
  }))
}

/** Who ends in an orderly way is not waited for. */
export async function forgetMember(connection: Connection, { name, process }: About): Promise<void> {
  await connection.query('delete from tdf_ledger.members where name = $1 and process = $2', [name, process])
}

/** What can be asked of the database without rights of its own. */
export interface DatabaseFacts {
  version: string
  /** Its clock, Unix ms. */
  now: number
  /** Servers that follow it. */
  standbys: number
  /** Whether a commit waits for one of them. */
  isSynchronous: boolean
}

const FACTS = `select current_setting('server_version') as version, extract(epoch from clock_timestamp()) * 1000 as now,
  (select count(*) from pg_stat_replication) as standbys,
  current_setting('synchronous_standby_names') <> '' and current_setting('synchronous_commit') not in ('off', 'local') as synchronous`

export async function readFacts(connection: Connection): Promise<DatabaseFacts> {
  const [row] = await connection.query(FACTS)
  return {
    version: String(row?.version).replace(/ .*/, ''),
    now: Number(row?.now),
    standbys: Number(row?.standbys),
    isSynchronous: row?.synchronous === true,
  }
}
