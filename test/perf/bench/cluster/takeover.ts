/** How long nobody serves when the daemon that serves is killed, frozen or handed over, and whether anything is lost or done twice. */
import { realWorld } from '../../../../src/platform/world.ts'
import { schemaRow } from '../../../../src/store/ledger/ledger.ts'
import { openReplica } from '../../../../src/store/ledger/replica.ts'
import { readRows } from '../../../../src/store/ledger/rows.ts'
import { MIGRATIONS } from '../../../../src/store/sqlite/migrations.ts'
import { multiply } from '../../../support/daemon/kept-tasks.ts'
import { joinMember } from '../host/shared.ts'
import type { Host } from '../load/host.ts'
import { ids, park, shareOut } from '../load/workload.ts'
import type { Row } from '../report.ts'
import type { Pair } from './pair.ts'
import { serving } from './speed.ts'

const BATCH_ROWS = 2_000
const FENCED = 76
const END_MS_MAX = 120_000
const FOLLOW_MS_MAX = 120_000
/** Callbacks that are sent before the daemon is killed: some of what follows from them is under way then. */
const CALLED = 300

interface Two {
  /** Serves. */
  one: Host
  /** Stands by, and has followed everything. */
  two: Host
  /** From its start until the first one served, in ms. */
  startMs: number
}

async function startTwo(pair: Pair, url: string): Promise<Two> {
  const one = await pair.host(url, 'one')
  const startMs = await serving(one)
  const two = await pair.host(url, 'two')
  const rows = await pair.rows(url)
  await reached(FOLLOW_MS_MAX, async () => (await two.look()).followed >= rows)
  return { one, two, startMs }
}

/** Waits until it holds; what does not is seen in the numbers. */
async function reached(withinMs: number, holds: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + withinMs
  while (!(await holds()) && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 20))
}

/**
 * Calls back for each and waits for their ends. What ended is asked of the daemon that serves now: the last things that the other one
 * stored are not in what it wrote down. `kept` more are there that ended before.
 */
async function endAll(
  { one, two }: Pick<Two, 'one' | 'two'>,
  names: readonly string[],
  kept = 0,
): Promise<{ lost: number; doubled: number; bodies: number }> {
  await shareOut(names, 64, async id => void (await two.callback(id).catch(() => false)))
  await reached(END_MS_MAX, async () => (await two.tasks()).live === 0)
  const now = await two.tasks()
  const ended = new Set([...one.tail.times('done').keys(), ...two.tail.times('done').keys()])
  const both = (tag: string) => one.tail.count(tag) + two.tail.count(tag)
  return {
    lost: now.live + names.length + kept - now.all,
    doubled: both('done') - ended.size,
    bodies: both('s6') + both('s7') - 2 * names.length,
  }
}

/** A kill with so many that wait, in the middle of what follows from callbacks. */
export async function killRow(pair: Pair, { parked, kept }: { parked: number; kept: number }): Promise<Row> {
  const url = await pair.freshUrl()
  if (kept > 0) await layDown(url, kept)
  const hosts = await startTwo(pair, url)
  const { one, two, startMs } = hosts
  const names = ids(parked)
  await park(one, names)
  const calls = Promise.allSettled(names.slice(0, CALLED).map(id => one.callback(id)))
  await one.tail.reach('done', CALLED / 3)
  const rss = one.rssBytes() / 2 ** 20
  one.signal('SIGKILL')
  const servesMs = await serving(two)
  await Promise.all([one.ended, calls])
  const underWay = [...one.tail.times('s6').keys()].filter(id => !one.tail.times('done').has(id)).length
  const { lost, doubled, bodies } = await endAll(hosts, names, kept)
  const bar = kept > 0 ? 3_000 : 2_000
  const also =
    kept > 0 ? `; with them a daemon starts in ${(startMs / 1000).toFixed(1)} s and has ${rss.toFixed(0)} MiB` : ''
  await pair.endHosts()
  return {
    what: `SIGKILL of the daemon that serves, ${parked} parked${kept > 0 ? `, ${kept} ended tasks kept` : ''}`,
    bar: `other serves ≤ ${bar / 1000} s, all done; 0 lost, 0 doubled, bodies ≤ those under way`,
    measured: `serves after ${(servesMs / 1000).toFixed(2)} s; ${lost} lost, ${doubled} doubled, ${bodies} bodies twice of ${underWay} under way${also}`,
    holds: servesMs <= bar && lost === 0 && doubled === 0 && bodies <= underWay,
  }
}

/** Writes ended tasks as a daemon would have left them. */
async function layDown(url: string, tasks: number): Promise<void> {
  const world = realWorld()
  const member = await joinMember(url, 'filler', world)
  const { ledger, replica } = await member.takeOver(openReplica)
  const { sql } = replica.takeOver()
  multiply(sql, tasks, world.clock.now())
  const rows = readRows(sql)
  sql.close()
  for (let at = 0; at < rows.length; at += BATCH_ROWS) await ledger.write(rows.slice(at, at + BATCH_ROWS))
  await ledger.write([schemaRow(MIGRATIONS.length)])
  await ledger.close()
  await member.close()
}

/** SIGSTOP, until the other one serves, and SIGCONT. */
export async function frozenRow(pair: Pair, parked: number): Promise<Row> {
  const hosts = await startTwo(pair, await pair.freshUrl())
  const { one, two } = hosts
  const names = ids(parked)
  await park(one, names)
  one.signal('SIGSTOP')
  const servesMs = await serving(two)
  one.signal('SIGCONT')
  const code = await one.ended
  const { lost, doubled } = await endAll(hosts, names)
  await pair.endHosts()
  return {
    what: `the daemon that serves frozen, and thawed once another serves (${parked} parked)`,
    bar: 'taken over ≤ 5 s, fenced; 0 doubled',
    measured: `after ${(servesMs / 1000).toFixed(2)} s; it ended with ${code}; ${lost} lost, ${doubled} doubled`,
    holds: servesMs <= 5_000 && code === FENCED && lost === 0 && doubled === 0,
  }
}

/** An orderly end: the daemon that stands by takes over at once. */
export async function handoverRow(pair: Pair, parked: number): Promise<Row> {
  const hosts = await startTwo(pair, await pair.freshUrl())
  const { one, two } = hosts
  const names = ids(parked)
  await park(one, names)
  one.signal('SIGTERM')
  const servesMs = await serving(two)
  const { lost, doubled } = await endAll(hosts, names)
  await pair.endHosts()
  return {
    what: `a handover in order, ${parked} parked`,
    bar: '',
    measured: `other serves after ${(servesMs / 1000).toFixed(2)} s; ${lost} lost, ${doubled} doubled`,
    holds: null,
  }
}
