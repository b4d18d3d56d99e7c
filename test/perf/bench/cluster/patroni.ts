/** How long nothing is acknowledged when the PostgreSQL that takes writes dies under Patroni: its first process, then its machine. */
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { findProgram } from '../../../../src/platform/files.ts'
import { query, startTrio } from '../../../system/cluster/support/patroni.ts'
import { type Host, makeFolder, startHost } from '../load/host.ts'
import type { Row } from '../report.ts'
import { serving } from './speed.ts'

const PROCESS_S_MAX = 10
const MACHINE_S_MAX = 35
/** Nothing is acknowledged for so long at most, before the row gives up. */
const GIVE_UP_MS = 120_000
/** Submits that are answered before the strike, and after it. */
const AROUND = 20

export async function patroniRows(): Promise<Row[]> {
  const what = 'PostgreSQL dies under Patroni'
  const isThere = ['patroni', 'etcd'].every(name => findProgram(name, process.env.PATH ?? '') !== undefined)
  if (!isThere) return [{ what, bar: '', measured: 'not run: patroni and etcd are not installed', holds: null }]
  try {
    return await measured()
  } catch (thrown) {
    return [{ what, bar: '', measured: `did not finish: ${String(thrown)}`, holds: false }]
  }
}

async function measured(): Promise<Row[]> {
  const trio = await startTrio()
  const folder = makeFolder()
  let host: Host | undefined
  try {
    const { port } = await trio.leader(2)
    await query(port, 'postgres', "create database bench encoding 'UTF8' template template0")
    host = await startHost('tdf', folder.dir, { STORE_URL: trio.url('bench'), MEMBER: 'one' }, [200, 503])
    await serving(host)
    const first = await trio.leader(2)
    const ofProcess = await longestGap(host, 'p', async () => void process.kill(first.postmaster(), 'SIGKILL'))
    const second = await trio.leader(2)
    const ofMachine = await longestGap(host, 'm', () => second.kill())
    return [
      row('the first process of PostgreSQL killed under Patroni', ofProcess, PROCESS_S_MAX),
      row('the machine of that PostgreSQL killed', ofMachine, MACHINE_S_MAX),
    ]
  } finally {
    await host?.kill()
    folder.remove()
    await trio.remove()
  }
}

function row(what: string, gapMs: number, barS: number): Row {
  const seconds = gapMs / 1000
  const measured = `${seconds.toFixed(1)} s until a submit was answered again`
  return { what, bar: `longest gap ≤ ${barS} s`, measured, holds: seconds <= barS }
}

/** Submits one after the other all the while; the longest time between two answers, in ms. */
async function longestGap(host: Host, prefix: string, strike: () => Promise<void>): Promise<number> {
  let longest = 0
  let last = performance.now()
  async function answered(count: number, round: string): Promise<void> {
    const until = performance.now() + GIVE_UP_MS
    for (let nth = 0, answers = 0; answers < count; nth++) {
      if (performance.now() > until) throw new Error('nothing is acknowledged any more')
      const isAnswered = await host.submit(`${prefix}${round}${nth}`).then(
        () => true,
        () => false,
      )
      if (isAnswered) {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
        answers += 1
      } else await pause(20)
    }
  }
  await answered(AROUND, 'before')
  longest = 0
  await strike()
  await answered(AROUND, 'after')
  return longest
}
