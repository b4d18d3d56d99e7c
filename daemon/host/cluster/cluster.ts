/** What a daemon says of itself and of the others that share its state. */
import process from 'node:process'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { VERSION } from '../../../src/platform/version.ts'
import { type Clock, sleep } from '../../../src/platform/world.ts'
import type { DaemonStatusJson } from '../../../src/protocol/control.ts'
import type { ClusterMemberJson } from '../../../src/protocol/upkeep.ts'
import type { ClusterMember } from '../../../src/store/ledger/postgres/member.ts'
import type { Member } from '../../../src/store/ledger/postgres/members.ts'
import type { Cluster } from '../../api/cluster.ts'
import { awayText } from '../../api/hand-on.ts'
import type { Check } from '../../reporting/health.ts'
import type { DaemonOptions } from '../../services.ts'
import { findingsOf } from './doctor.ts'

/** A list of members is worth no longer wait. */
const ANSWER_MS_MAX = 3_000

/** `leave` begins the end of this daemon. */
export function createCluster(member: ClusterMember, name: string, clock: Clock, leave: () => void): Cluster {
  return {
    name,
    epoch: () => member.serving().epoch,
    host: member.hosts.join(', '),
    async members() {
      return (await inTime(member.members(), clock)).map(memberJson)
    },
    async examine() {
      try {
        const [facts, members] = await inTime(Promise.all([member.facts(), member.members()]), clock)
        return findingsOf(facts, members)
      } catch (thrown) {
        return [{ check: 'store', state: 'fail', message: asTdfError(thrown).message, hint: 'tdf cluster ls' }]
      }
    },
    async handOver(to) {
      const members = await inTime(member.members(), clock)
      assertHeir(
        members.filter(other => other.name !== name),
        to,
      )
      await inTime(member.setHeir(to), clock)
      leave()
    },
  }
}

function assertHeir(others: readonly Member[], to: string | null): void {
  const hint = { hint: 'tdf cluster ls' }
  const named = others.filter(({ name }) => to === null || name === to)
  if (to !== null && named.length === 0) throw new TdfError('NOT_FOUND', `no other daemon is called ${to}`, hint)
  if (named.some(({ isThere }) => isThere)) return
  const who = to === null ? 'no other daemon stands by' : `${to} gives no sign of life`
  throw new TdfError('WRONG_STATE', `${who}: this daemon goes on serving`, hint)
}

function memberJson({ name, role, epoch, version, url, seenAt, isThere }: Member): ClusterMemberJson {
  const seen = new Date(seenAt).toISOString()
  return { name, role: isThere ? role : 'gone', epoch, version, url, seenAt: seen }
}

async function inTime<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  const timeUp = new AbortController()
  const late = sleep(clock, ANSWER_MS_MAX, timeUp.signal).then(() => {
    throw new TdfError('STORE_AWAY', `the database gave no answer within ${ANSWER_MS_MAX / 1_000} s`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    timeUp.abort()
  }
}

/** What is the same whether it serves or not. */
export function ownStatus(
  { paths }: Pick<DaemonOptions, 'paths'>,
  { installId, startedAt, isSupervised }: { installId: string; startedAt: string; isSupervised: boolean },
) {
  return {
    pid: process.pid,
    version: VERSION,
    home: paths.home,
    installId,
    socket: paths.socket,
    startedAt,
    supervisor: isSupervised ? ('systemd' as const) : null,
  }
}

/** Of a daemon among others: its name, the takeovers, and where the state lives. */
export function sharedStatus(cluster: Cluster | null): Pick<DaemonStatusJson, 'member' | 'epoch' | 'store'> {
  if (cluster === null) return { member: null, epoch: null, store: { kind: 'file', host: null } }
  return { member: cluster.name, epoch: cluster.epoch(), store: { kind: 'postgres', host: cluster.host } }
}

/** A daemon that stands by is well when it can follow. */
export function standbyChecks(member: ClusterMember): Check[] {
  const away = member.outage()
  const { name } = member.serving()
  const role = `this daemon stands by; ${name === null ? 'no daemon serves now' : `${name} serves`}`
  return [
    { name: 'role', ok: true, vital: false, detail: role },
    { name: 'database', ok: away === null, vital: false, detail: `it ${away ? awayText(away) : 'answers'}` },
  ]
}
