/** Time that jumps, stands still or is longer than timers hold. Numbers and names are those of docs/faults.md. */
import { afterEach, expect, it } from 'vitest'
import { createLoop } from '../../../daemon/engine/loop.ts'
import { SWEEPS } from '../../../daemon/sweeps/index.ts'
import { createSweeper } from '../../../daemon/sweeps/run.ts'
import { silentLog } from '../../../src/platform/log.ts'
import { readEvents } from '../../../src/store/tables/journal.ts'
import { simWorld, timeline } from '../../fakes/world.ts'
import { aConfig } from '../../support/builders.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../support/daemon/lives.ts'

let all: Lives | undefined
afterEach(() => {
  all?.end()
  all = undefined
})

const RUN = { ms: 40 * MIN, commits: 1, busy: true }

it('14 event-loop-stall: after a stall each subject runs once, and deadlines moved along', async () => {
  const time = timeline()
  const world = simWorld(time)
  const runs: string[] = []
  const gaps: number[] = []
  const loop = createLoop({
    world,
    log: silentLog,
    run: async subject => void runs.push(subject),
    onGap: async ms => void gaps.push(ms),
  })
  loop.start()
  for (const name of ['a', 'b', 'c']) loop.schedule(`node:${name}`, time.now + 1_000)
  await world.settle()
  // Everything stands still for half a minute, and then the timer comes.
  time.now += 30_000
  await world.clock.advance(1_000)
  expect([runs.sort(), gaps]).toEqual([['node:a', 'node:b', 'node:c'], [29_000]])
  await loop.stop()
})

it('15 suspend-resume: a laptop that slept nine hours ends no task and starts nothing twice', async () => {
  all = await lives({ nodes: ['n1', 'n2'] })
  const ids = Array.from({ length: 6 }, (_, index) => `sleeper-${index}`)
  for (const id of ids) await all.submit({}, RUN, id)
  const task = (id: string) => all?.life.task(id)
  await all.until(() => ids.every(id => task(id)?.step === 'running'))
  const before = ids.map(id => task(id)?.deadlineAt ?? 0)
  const asked = all.agent().requests.length
  all.life.world.clock.jump(9 * HOUR)
  await all.until(() => false, MIN)
  expect(ids.map((id, index) => (task(id)?.deadlineAt ?? 0) - (before[index] ?? 0))).toEqual(ids.map(() => 9 * HOUR))
  // One look at each, not a storm.
  expect(all.agent().requests.length - asked).toBeLessThan(60)
  for (const id of ids) expect(await all.rest(id)).toBe(true)
  expect(ids.map(id => task(id)?.status)).toEqual(ids.map(() => 'completed'))
})

it('27 clock-forward-1d: a clock set forward fails nothing that runs or waits', async () => {
  all = await lives({ config: aConfig({ nodes: { maxWorkspaces: 1 } }) })
  await all.submit({}, RUN, 'runs')
  await all.until(() => all?.life.task('runs').step === 'running')
  await all.submit({}, RUN, 'waits')
  all.life.world.clock.jump(DAY)
  expect(await all.rest('waits')).toBe(true)
  expect([all.life.task('runs').status, all.life.task('waits').status]).toEqual(['completed', 'completed'])
})

it('28 clock-back-1h: a clock set back makes nobody sleep an hour longer', async () => {
  all = await lives()
  await all.submit({}, { ...RUN, ms: 10 * MIN }, 'runs')
  await all.until(() => all?.life.task('runs').step === 'running')
  all.agent().faults.losePushes = true
  all.life.world.clock.jump(-HOUR)
  expect(await all.rest('runs', 20 * MIN)).toBe(true)
  expect(all.life.task('runs').status).toBe('completed')
  const steps = readEvents(all.life.engine.store.sql, { after: 0, limit: 1_000 }).filter(({ data }) => 'ms' in data)
  expect(steps.filter(({ data }) => Number(data.ms) < 0)).toEqual([])
  expect(steps.length).toBeGreaterThan(3)
})

it('29 dst-change: sweeps keep their pace through both changes of the clocks', async () => {
  const zone = process.env.TZ
  process.env.TZ = 'Europe/Berlin'
  try {
    for (const change of [Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1)]) {
      all = await lives()
      all.out.time.now = change - 2 * HOUR
      const rounds: number[] = []
      const sweep = {
        name: 'count',
        everyMs: () => 10 * MIN,
        run: async () => {
          rounds.push(all?.out.time.now ?? 0)
          return {}
        },
      }
      const noErrors = { flush: async () => {} }
      const noObservability = { addErrors() {}, errors: () => [], prune: () => 0, close() {} }
      const sweeper = createSweeper(
        { ...all.life.engine },
        { stateDir: all.out.dir, errors: noErrors, observability: noObservability },
        [sweep],
      )
      for (let second = 0; second < 4 * 3_600; second += 30) {
        sweeper.tick()
        await all.life.world.clock.advance(30_000)
      }
      const gaps = new Set(rounds.slice(1).map((at, index) => at - (rounds[index] ?? 0)))
      // Ten minutes from the beginning of one round to that of the next, whatever the clock on the wall shows.
      expect([rounds.length, [...gaps]]).toEqual([23, [10 * MIN]])
      all.end()
      all = undefined
    }
    expect(SWEEPS.every(({ everyMs }) => everyMs(aConfig()) > 0)).toBe(true)
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
})

it('30 timer-overflow: a wake forty days ahead does not fire at once, and fires then', async () => {
  const time = timeline()
  const world = simWorld(time)
  const runs: number[] = []
  const loop = createLoop({ world, log: silentLog, run: async () => void runs.push(time.now), onGap: async () => {} })
  loop.start()
  const at = time.now + 40 * DAY
  loop.schedule('node:far', at)
  await world.clock.advance(39 * DAY)
  expect(runs).toEqual([])
  await world.clock.advance(2 * DAY)
  expect(runs).toEqual([at])
  await loop.stop()
})

/** At each of its steps before a workspace the task waits for a machine, whose own journey is what looks at it. */
const BEFORE = ['node_provisioning', 'node_agent_ready'] as const

/** The agent of the machine does not answer before the task is at the step. */
async function waiting(lived: Lives, step: (typeof BEFORE)[number]): Promise<void> {
  all = lived
  const agents = () => [...(lived.out.cloud?.machines.values() ?? [])].map(({ agent }) => agent)
  const shut = (isDown: boolean) => {
    for (const agent of agents()) agent.faults.down = isDown
  }
  await lived.submit()
  const isThere = () => {
    shut(true)
    return lived.life.task('task-1').step === step
  }
  expect(await lived.until(isThere)).toBe(true)
  shut(false)
}

it.each(BEFORE)(
  'a daemon that is away while a task is at %s, longer than that may take, finds the machine up',
  async step => {
    const lived = await lives({ nodes: [], cloud: true })
    await waiting(lived, step)
    await lived.die(3 * HOUR)
    await lived.begin()
    expect(await lived.rest()).toBe(true)
    expect(lived.life.task('task-1')).toMatchObject({ status: 'completed', error: null })
  },
)

it.each(BEFORE)(
  'a database that is away while a task is at %s, longer than that may take, fails no task',
  async step => {
    const lived = await lives({ nodes: [], cloud: true, ledger: {} })
    await waiting(lived, step)
    lived.out.ledger?.leave()
    for (let passedMs = 0; passedMs < 3 * HOUR; passedMs += MIN) await lived.life.world.clock.advance(MIN)
    lived.out.ledger?.comeBack()
    expect(await lived.rest()).toBe(true)
    expect(lived.life.task('task-1')).toMatchObject({ status: 'completed', error: null })
  },
)

it('a daemon that is away while a task is queued, longer than queue_timeout, gives it the slot that is free by then', async () => {
  const config = aConfig({ nodes: { maxWorkspaces: 1 }, runner: { queueTimeout: HOUR } })
  all = await lives({ config })
  await all.submit({}, RUN, 'runs')
  await all.until(() => all?.life.task('runs').step === 'running')
  await all.submit({}, { commits: 1 }, 'waits')
  await all.until(() => false, MIN)
  expect(all.life.task('waits').step).toBe('node_selection')
  await all.die(3 * HOUR)
  await all.begin()
  expect(await all.rest('waits')).toBe(true)
  expect(all.life.task('waits')).toMatchObject({ status: 'completed', error: null })
})

it('a task for which there is no slot ends by queue_timeout, also when the daemon was away meanwhile', async () => {
  all = await lives({ nodes: [], config: aConfig({ runner: { queueTimeout: HOUR } }) })
  await all.submit()
  await all.die(3 * HOUR)
  await all.begin()
  expect(await all.until(() => all?.life.task('task-1').step === null, HOUR)).toBe(true)
  expect(all.life.task('task-1').error).toMatchObject({ code: 'QUEUE_TIMEOUT' })
})
