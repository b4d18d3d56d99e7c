/** What `tdf doctor` says of the database that daemons share, and of the other daemons. */
import { formatDuration } from '../../../src/core/duration.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { DatabaseFacts, Member } from '../../../src/store/ledger/postgres/members.ts'

/** Deadlines move by the difference between hosts: more than this is worth a look. */
const SKEW_MS_MAX = 2_000

/** `now` is that of this host, Unix ms, when the database said its own. */
export function findingsOf(facts: DatabaseFacts, members: readonly Member[], now: number): FindingJson[] {
  return [replication(facts), skew(facts, now), ...others(members)]
}

function replication({ version, standbys, isSynchronous }: DatabaseFacts): FindingJson {
  const check = 'replication'
  const shown = `PostgreSQL ${version}, ${standbys} ${standbys === 1 ? 'standby follows' : 'standbys follow'}`
  if (isSynchronous && standbys > 0) {
    return { check, state: 'ok', message: `${shown}, and commits wait for one`, hint: null }
  }
  const what = isSynchronous ? 'commits wait for one that is not there' : 'commits wait for none'
  const message = `${shown}; ${what}: with its machine goes what was stored last, unless the database is replicated otherwise`
  return { check, state: 'warn', message, hint: 'psql -c "show synchronous_standby_names"' }
}

function skew({ now: theirs }: DatabaseFacts, ours: number): FindingJson {
  const ms = Math.abs(ours - theirs)
  const check = 'clock'
  if (ms <= SKEW_MS_MAX)
    return { check, state: 'ok', message: 'this host and the database agree on the time', hint: null }
  const message = `this host and the database differ by ${formatDuration(Math.round(ms / 1_000) * 1_000)}: deadlines jump at a takeover`
  return { check, state: 'warn', message, hint: 'timedatectl' }
}

function others(members: readonly Member[]): FindingJson[] {
  const check = 'daemons'
  const hint = 'tdf cluster ls'
  const there = members.filter(({ isThere }) => isThere)
  const old = there.filter(({ version }) => version !== VERSION)
  const differs = old.map(({ name, version }): FindingJson => {
    return { check, state: 'warn', message: `${name} is of version ${version}, and this is ${VERSION}`, hint }
  })
  if (there.some(({ role }) => role === 'standby')) {
    const message = `${there.length} share the state`
    return [{ check, state: 'ok', message, hint: null }, ...differs]
  }
  const message = 'no other daemon stands by: with this one everything stops'
  return [{ check, state: 'warn', message, hint }, ...differs]
}
