/** Schedules: they are added, paused, run by hand and removed by the routes that the command line calls; the daemon is away, and clocks go wrong. */
import { controlSocketApp } from '../../../daemon/api/guard.ts'
import { scheduleRoutes } from '../../../daemon/api/routes/many/schedules.ts'
import { silentLog } from '../../../src/platform/log.ts'
import { cronOf, type Pattern } from '../invariants/schedules/calendar.ts'
import { type KnownSchedule, knownOf } from '../invariants/schedules/memory.ts'
import type { Sim } from '../simulation.ts'
import { type Act, restart } from './acts.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const SCHEDULES_MAX = 6

const upTo = ({ jitter }: Sim, most: number) => Math.floor(jitter() * most)
const chance = ({ jitter }: Sim, share: number) => jitter() < share
const oneOf = <T>(sim: Sim, things: readonly T[]): T | undefined => things[upTo(sim, things.length)]

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe']

/** Clocks change, and days, weeks and months turn, in the hours that follow. */
const STARTS = ['2026-01-01T00', '2026-03-28T21', '2026-10-24T20', '2026-03-08T03', '2026-04-04T11', '2026-05-31T18']

export const startOf = (dice: () => number): number =>
  Date.parse(`${STARTS[Math.floor(dice() * STARTS.length)]}:00:00Z`)

function aPattern(sim: Sim): Pattern {
  const minute = upTo(sim, 60)
  const kind = upTo(sim, 3)
  if (kind === 0) return { minute: { every: oneOf(sim, [10, 20, 30]) ?? 10 }, hour: null, isWeekdays: chance(sim, 0.1) }
  if (kind === 1) return { minute, hour: null, isWeekdays: false }
  // Often one that the clocks leave out or show twice.
  const hour = chance(sim, 0.4) ? 1 + upTo(sim, 2) : upTo(sim, 24)
  return { minute, hour, isWeekdays: chance(sim, 0.2) }
}

/** What the command line would send. Answers the status; 500 and more where the power failed. */
async function ask({ life }: Sim, method: string, path: string, body?: object): Promise<number> {
  const app = controlSocketApp(silentLog)
  app.route('/v1', scheduleRoutes(life.engine))
  const headers = { host: 'tdf', 'content-type': 'application/json' }
  const sent = body ? { body: JSON.stringify(body) } : {}
  return (await app.request(`/v1/schedules${path}`, { method, headers, ...sent })).status
}

const isDone = (sim: Sim, status: number): boolean => {
  if (status < 300) return true
  if (sim.wasCut) return false
  throw new Error(`a schedule was refused by ${status}`)
}

const someSchedule = (sim: Sim): KnownSchedule | undefined =>
  oneOf(
    sim,
    [...sim.schedules.known.values()].filter(({ state }) => state !== 'gone'),
  )

async function add(sim: Sim): Promise<void> {
  const { known } = sim.schedules
  if ([...known.values()].filter(({ state }) => state !== 'gone').length >= SCHEDULES_MAX) return
  const pattern = aPattern(sim)
  const script = {
    ms: 500 + upTo(sim, 25 * MIN),
    exitCode: chance(sim, 0.3) ? 3 : 0,
    busy: true,
    commits: upTo(sim, 2),
  }
  const wish = {
    ...{ name: `s${known.size + 1}`, zone: oneOf(sim, ZONES) ?? 'UTC' },
    catchUp: chance(sim, 0.7) ? ('once' as const) : ('skip' as const),
    overlap: chance(sim, 0.6) ? ('skip' as const) : ('queue' as const),
    jitterMs: chance(sim, 0.3) ? upTo(sim, 5 * MIN) : 0,
    ...{ keepGoing: chance(sim, 0.3), untilGreen: chance(sim, 0.15) },
  }
  const request = {
    prompt: 'tidy up',
    command: ['fake', JSON.stringify(script)],
    repo: { kind: 'git', url: 'https://example.org/repo.git', ref: null },
  }
  const one = knownOf(wish, pattern, sim.life.world.clock.now())
  known.set(wish.name, one)
  if (isDone(sim, await ask(sim, 'POST', '', { ...wish, cron: cronOf(pattern), request }))) one.state = 'active'
}

export async function pause(sim: Sim, one: KnownSchedule): Promise<void> {
  one.state = 'unsure'
  if (!isDone(sim, await ask(sim, 'POST', `/${one.name}/pause`))) return
  one.pausedAt = Math.min(one.pausedAt, sim.life.world.clock.now())
  one.state = 'paused'
}

async function resume(sim: Sim, one: KnownSchedule): Promise<void> {
  if (one.state === 'active') return
  one.state = 'unsure'
  one.since = sim.life.world.clock.now()
  if (!isDone(sim, await ask(sim, 'POST', `/${one.name}/resume`))) return
  one.state = 'active'
  one.pausedAt = Number.POSITIVE_INFINITY
  one.streak = Math.max(one.streak, 0)
}

export const SCHEDULE_ACTS: readonly Act[] = [
  { name: 'add a schedule', weight: 8, run: add },
  {
    name: 'a schedule is paused or resumed',
    weight: 5,
    async run(sim) {
      const one = someSchedule(sim)
      if (one) await (chance(sim, 0.4) ? pause : resume)(sim, one)
    },
  },
  {
    name: 'a schedule is run by hand',
    weight: 4,
    async run(sim) {
      const one = someSchedule(sim)
      if (!one) return
      sim.schedules.byHand.add(`${one.name} ${sim.life.world.clock.now()}`)
      isDone(sim, await ask(sim, 'POST', `/${one.name}/run`))
    },
  },
  {
    name: 'a schedule is removed',
    weight: 1,
    async run(sim) {
      const one = someSchedule(sim)
      if (!one) return
      one.state = 'unsure'
      if (isDone(sim, await ask(sim, 'DELETE', `/${one.name}`))) one.state = 'gone'
    },
  },
  { name: 'hours pass', weight: 8, run: sim => sim.life.world.clock.advance((1 + upTo(sim, 3)) * HOUR) },
  {
    name: 'the daemon dies as an instant comes',
    weight: 5,
    async run(sim) {
      const { clock } = sim.life.world
      const active = [...sim.schedules.known.values()].filter(({ state }) => state === 'active')
      const comes = oneOf(sim, active)
        ?.calendar.until(clock.now() + 2 * HOUR)
        .find(at => at > clock.now() + MIN)
      if (comes === undefined) return
      // A life looks for the first time a second after its begin.
      await clock.advance(comes - 1_000 - clock.now())
      if (sim.wasCut) return
      const when = chance(sim, 0.3) ? 'before' : 'after'
      await restart(sim, { when, nth: 1 + upTo(sim, 2), of: /^commit$/, from: comes })
      await sim.life.world.clock.advance(5_000)
    },
  },
  {
    name: 'the clock is set back',
    weight: 1,
    run: sim => sim.life.world.clock.jump(-([MIN, 40 * MIN][upTo(sim, 2)] ?? MIN)),
  },
  {
    name: 'the daemon is away for a while',
    weight: 5,
    async run(sim) {
      sim.life.kill()
      await sim.life.world.clock.advance([2 * MIN, 25 * MIN, 5 * HOUR, 30 * HOUR][upTo(sim, 4)] ?? MIN)
      await restart(sim)
    },
  },
]

export async function pauseAll(sim: Sim): Promise<void> {
  for (const one of sim.schedules.known.values()) if (one.state !== 'gone') await pause(sim, one)
}
