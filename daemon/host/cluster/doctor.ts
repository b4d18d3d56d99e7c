/** What `tdf doctor` says of the database that daemons share, and of the other daemons. */
import { formatDuration } from '../../../src/core/duration.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { DatabaseFacts, Member } from '../../../src/store/ledger/postgres/members.ts'

/** Deadlines move by the difference between hosts: more than this is worth a look. */
const SKEW_MS_MAX = 2_000
/** The oldest PostgreSQL that tdf is tried with. */
const MAJOR_LEAST = 15
/**
 * The first release of each major version in which COMMITs wait for a standby from the start on: before, some were answered alone in the
 * moment after it (release notes of 17.5, synchronous_standby_names).
 */
const WAITS_FROM_START: Readonly<Record<number, number>> = { 15: 13, 16: 9, 17: 5 }

export function findingsOf(facts: DatabaseFacts, members: readonly Member[]): FindingJson[] {
  const there = members.filter(({ isThere }) => isThere)
  return [...version(facts), replication(facts), ...clocks(there), ...keys(facts, there), ...others(there)]
}

function version({ version }: DatabaseFacts): FindingJson[] {
  const [major = 0, minor = 0] = version.split('.').map(part => Number.parseInt(part, 10))
  const least = WAITS_FROM_START[major] ?? 0
  const warn = (message: string): FindingJson[] => [
    { check: 'database', state: 'warn', message, hint: 'psql -c "select version()"' },
  ]
  if (major < MAJOR_LEAST) return warn(`PostgreSQL ${version} is older than what tdf is tried with (${MAJOR_LEAST})`)
  if (minor >= least) return []
  return warn(
    `PostgreSQL ${version} may store without its standby in the moment after a start: ${major}.${least} does not`,
  )
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

function clocks(there: readonly Member[]): FindingJson[] {
  const check = 'clock'
  const differing = there.filter(({ skewMs }) => Math.abs(skewMs ?? 0) > SKEW_MS_MAX)
  if (differing.length === 0) {
    return [{ check, state: 'ok', message: 'every daemon and the database agree on the time', hint: null }]
  }
  return differing.map(({ name, skewMs }) => {
    const ms = Math.round(Math.abs(skewMs ?? 0) / 1_000) * 1_000
    const message = `the host of ${name} and the database differ by ${formatDuration(ms)}: deadlines jump at a takeover`
    return { check, state: 'warn', message, hint: 'timedatectl' }
  })
}

/** A daemon that runs was let in with the right key: what its file holds by now counts at its next start. */
function keys({ keyCheck }: DatabaseFacts, there: readonly Member[]): FindingJson[] {
  const check = 'keys'
  const wrong = there.filter(member => member.keyCheck !== null && member.keyCheck !== keyCheck)
  if (wrong.length === 0) {
    const message = 'the key file of every daemon is that of the installation'
    return [{ check, state: 'ok', message, hint: null }]
  }
  return wrong.map(({ name, keyCheck: own }) => {
    const what = own === '' ? 'cannot be read, or others may read it' : 'is not that of the installation'
    const message = `the key file of ${name} ${what}: the daemon is refused at its next start`
    return { check, state: 'fail', message, hint: 'tdf config show --origin' }
  })
}

function others(there: readonly Member[]): FindingJson[] {
  const check = 'daemons'
  const hint = 'tdf cluster ls'
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
