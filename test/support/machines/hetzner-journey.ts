/** One task from submit to the end of its machine, at Hetzner, with what went wrong on the way. */
import { expect } from 'vitest'
import { defaultConfig } from '../../../src/config/schema/config.ts'
import { readLive } from '../../../src/store/tables/attempts.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import type { Fault } from '../../fakes/hetzner/faults.ts'
import type { SimOptions } from '../../fakes/world.ts'
import { aConfig } from '../builders.ts'
import { type Life, live, outside } from '../daemon/sim-daemon.ts'

const MIN = 60_000
const HELD_MAX = 12 * 60 * MIN

/**
 * Fewer looks at what does not change, and a machine that goes when it is not needed, not when its hour is over: what a
 * simulated hour costs is its wake-ups.
 */
const { providers } = defaultConfig()
const config = aConfig({
  providers: { ...providers, hetzner: { ...providers.hetzner, keepPaidHour: false } },
  nodes: {
    ...{ warmTimeout: 5 * MIN, heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN },
    ...{ maxWorkspaces: 1, heldMax: HELD_MAX },
  },
  runner: { reconcileInterval: 10 * MIN },
})

/** Calls that a short journey does not make: a lease is renewed after an hour, an action asked for after a while. */
export const LONG_ENOUGH: Readonly<Record<string, JourneyOptions>> = {
  'PUT /servers/:id': { runMs: 80 * MIN },
  'GET /actions': { bootMs: MIN },
}
/** What a renewal may be late by: two refusals, and the round of the sweep in which it is tried again. */
const RENEWAL_LATE_MS_MAX = 20 * MIN

export type Cut = NonNullable<SimOptions['cut']>

export interface JourneyOptions {
  /** How long the agent works, and how long a machine boots. */
  runMs?: number
  bootMs?: number
}

export interface JourneyEnd {
  wasCut: boolean
  status: string
  verdict: string | null
  saved: boolean
  starts: number[]
  /** How often a server was made under each name. */
  made: number[]
  leaks: string[]
  /** Nodes that were ordered, by how they ended. */
  nodes: string[]
  lostWork: string[]
  requests: string[]
  keys: number
  minutes: number
  /** For how long each server was spoken for beyond its end, in ms. */
  leases: number[]
}

export async function hetznerJourney(
  faults: readonly Fault[],
  cut?: Cut,
  { runMs = 1_000, bootMs = 20_000 }: JourneyOptions = {},
): Promise<JourneyEnd> {
  const out = outside({ nodes: [], config, hetzner: true })
  const machines = out.hetzner
  if (!machines) throw new Error('there is no cloud')
  machines.cloud.model.bootMs = bootMs
  machines.cloud.faults.push(...faults.map(fault => ({ ...fault })))
  const begun = out.time.now
  let wasCut = false
  const onCut = () => {
    wasCut = true
    out.callbacks.app = null
  }
  let life: Life | null = await live(out, cut ? { cut, onCut } : {}).catch(() => null)
  const id = 'task-1'
  const submit = (daemon: Life) => daemon.submit({}, { commits: 1, ms: runMs, busy: true }, id)
  if (life) await submit(life).catch(() => {})
  const isOver = () => {
    const sql = life?.engine.store.sql
    return !sql || (readLive(sql).length === 0 && readNodes(sql).every(({ status }) => status === 'destroyed'))
  }
  await life?.world.run(() => wasCut || isOver(), 48 * 60 * MIN)
  if (wasCut || !life) {
    life?.kill()
    life = await live(out)
    // Whoever was not told that it is taken sends it again.
    await submit(life)
    await life.world.run(isOver, 48 * 60 * MIN)
  }
  const task = life.task(id)
  const end: JourneyEnd = {
    ...{ wasCut, status: task.status, verdict: task.verdict },
    saved: out.results.refs.has(`refs/tdf/${id}/1`),
    starts: [...machines.agents.values()].flatMap(({ starts }) => [...starts.values()]),
    made: [...machines.cloud.made.values()],
    leaks: machines.cloud.leaks(),
    nodes: readNodes(life.engine.store.sql, true).map(({ status }) => status),
    lostWork: machines.lostWork,
    requests: machines.cloud.requests,
    keys: machines.cloud.model.keys.size,
    minutes: (out.time.now - begun) / MIN,
    leases: machines.leasesLeft,
  }
  life.kill()
  out.remove()
  return end
}

/** What one task may cost in requests, faults included: the project has 3 600 an hour for everything. */
const REQUESTS_MAX = 100

export function expectGoodEnd(end: JourneyEnd, about = 'the journey'): void {
  const { made, requests, leases, ...rest } = end
  expect(rest, about).toEqual({
    ...{ wasCut: end.wasCut, status: 'completed', verdict: 'unverified', saved: true, starts: [1], leaks: [] },
    ...{ nodes: end.nodes.map(() => 'destroyed'), lostWork: [], keys: 1, minutes: end.minutes },
  })
  expect(made, `${about}: one server for each node`).toEqual(made.map(() => 1))
  expect(made.length, `${about}: servers`).toBeGreaterThan(0)
  expect(requests.length, `${about}: ${requests.join(', ')}`).toBeLessThanOrEqual(REQUESTS_MAX)
  const least = HELD_MAX - RENEWAL_LATE_MS_MAX
  expect(
    leases.filter(ms => ms < least),
    `${about}: leases that ran out`,
  ).toEqual([])
  expect(end.minutes, `${about}: it took too long`).toBeLessThan(4 * 60)
}
