/** Schedules over a simulated world: the real routes, the real sweep, and a clock that jumps, sleeps and is set back. */
import type { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { controlSocketApp } from '../../../../daemon/api/guard.ts'
import { scheduleRoutes } from '../../../../daemon/api/routes/many/schedules.ts'
import { taskJson } from '../../../../daemon/api/tasks/json.ts'
import { why } from '../../../../daemon/api/tasks/why.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { schedules } from '../../../../daemon/sweeps/schedules/sweep.ts'
import { silentLog } from '../../../../src/platform/log.ts'
import type { ScheduleJson } from '../../../../src/protocol/upkeep.ts'
import { listTasks } from '../../../../src/store/tables/attempts.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { aConfig } from '../../../support/builders.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
const begin = async (...options: Parameters<typeof lives>) => {
  all = await lives(...options)
}
beforeEach(() => begin({ config: aConfig({ notify: { ...aConfig().notify, webhook: 'https://hook.test/' } }) }))
afterEach(() => all.end())

const { signal } = new AbortController()
const sweep = () => schedules.run(all.life.engine, {} as SweepParts, signal)
const clock = () => all.life.world.clock

async function call(method: string, path: string, body?: object): Promise<[number, unknown]> {
  const app: Hono = controlSocketApp(silentLog)
  app.route('/v1', scheduleRoutes(all.life.engine))
  const headers = { host: 'tdf', 'content-type': 'application/json' }
  const answer = await app.request(`/v1/schedules${path}`, {
    method,
    headers,
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return [answer.status, await answer.json()]
}

const REPO = { kind: 'git', url: 'https://example.org/repo.git', ref: null }
const request = (script: object = { commits: 1 }, more: object = {}) => ({
  prompt: 'tidy up',
  command: ['fake', JSON.stringify(script)],
  repo: REPO,
  ...more,
})

async function add(change: object = {}): Promise<ScheduleJson> {
  const body = { name: 'nightly', cron: '30 2 * * *', zone: 'UTC', request: request(), ...change }
  const [status, schedule] = await call('POST', '', body)
  expect([status, schedule]).toMatchObject([201, { name: body.name, state: 'active' }])
  return schedule as ScheduleJson
}

const show = async (name = 'nightly') => (await call('GET', `/${name}`))[1] as ScheduleJson
const tasks = () =>
  all.life.engine.store.sql
    .all('select id, spec from tasks order by number')
    .map(({ id, spec }) => ({ id: String(id), spec: JSON.parse(String(spec)) }))
const planned = () => tasks().map(({ spec }) => spec.labels.planned)

const goTo = (iso: string) => clock().jump(Date.parse(iso) - clock().now())
/** As the sweeps look once a second, over so long; nothing else takes time. */
async function pass(ms: number, step = 10 * MIN, after = async () => {}): Promise<void> {
  for (let at = 0; at < ms; at += step) {
    clock().jump(step)
    await sweep()
    await after()
  }
}
/** Ends what there is, so that nothing of before goes on. */
async function cancelAll(): Promise<void> {
  for (const { id } of tasks()) {
    if (all.life.task(id).step === null) continue
    await all.life.engine.signal({ kind: 'cancel', taskId: id })
    expect(await all.rest(id)).toBe(true)
  }
}
/** Runs what there is to its end. */
async function finish(): Promise<void> {
  for (const { id } of tasks()) expect(await all.rest(id)).toBe(true)
  await sweep()
}

describe('a planned instant', () => {
  it('that the clocks leave out comes when they have gone on, and one that comes twice counts once', async () => {
    goTo('2026-03-28T00:00:00Z')
    await add({ zone: 'Europe/Berlin' })
    await pass(3 * DAY, 10 * MIN, cancelAll)
    expect(planned()).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
    await call('DELETE', '/nightly')
    goTo('2026-10-24T00:00:00Z')
    await add({ zone: 'Europe/Berlin', name: 'autumn' })
    await pass(3 * DAY, 10 * MIN, cancelAll)
    const later = planned().slice(3)
    expect(later).toEqual(['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
  })

  it('makes a task with labels that say of what, and names its schedule for ever', async () => {
    await add()
    await pass(3 * HOUR)
    const [task] = tasks()
    expect(task?.spec).toMatchObject({
      schedule: 'nightly',
      labels: { schedule: 'nightly', planned: '2026-01-01T02:30:00.000Z' },
      prompt: 'tidy up',
    })
    expect((await show()).last).toMatchObject({ id: task?.id, status: 'queued', verdict: null })
    await call('DELETE', '/nightly')
    expect(tasks()[0]?.spec.schedule).toBe('nightly')
  })

  it('is told of its task with the next one, also by why, until the schedule is another one', async () => {
    await add()
    clock().jump(5 * HOUR)
    await sweep()
    const [{ id = '' } = {}] = tasks()
    const { engine } = all.life
    const told = () => [
      taskJson(engine.store.sql, all.life.task(id)).scheduled,
      why(engine, all.life.task(id)).scheduled,
    ]
    const run = { name: 'nightly', planned: '2026-01-01T02:30:00.000Z', note: null, lateMs: 2.5 * HOUR }
    const pattern = { cron: '30 2 * * *', tz: 'UTC' }
    const active = { ...run, ...pattern, state: 'active', next: '2026-01-02T02:30:00.000Z' }
    expect(told()).toEqual([active, active])
    await call('POST', '/nightly/pause')
    expect(told()[0]).toEqual({ ...active, state: 'paused', next: null })
    await call('DELETE', '/nightly')
    clock().jump(MIN)
    await add()
    expect(told()[1]).toEqual({ ...run, cron: null, tz: null, lateMs: 0, state: 'gone', next: null })
    expect(listTasks(engine.store.sql, { schedule: 'nightly', limit: 9 }).tasks).toMatchObject([{ id }])
    expect(listTasks(engine.store.sql, { schedule: 'weekly', limit: 9 }).tasks).toEqual([])
  })

  it('is not repeated by a clock that is set back', async () => {
    await add({ cron: '*/30 * * * *' })
    await pass(2 * HOUR, 30 * MIN, cancelAll)
    expect(planned()).toHaveLength(4)
    clock().jump(-HOUR)
    const { next } = await show()
    await pass(HOUR, 10 * MIN, cancelAll)
    expect([planned(), (await show()).next]).toEqual([planned().slice(0, 4), next])
    await pass(HOUR, 10 * MIN, cancelAll)
    expect(new Set(planned()).size).toBe(planned().length)
    expect(planned()).toHaveLength(6)
  })

  it('comes up to the jitter later, each by its own, the same whenever it is asked for', async () => {
    await add({ cron: '0 * * * *', jitterMs: 30 * MIN })
    const at = new Map<string, number>()
    for (let minute = 0; minute < 20 * 60; minute++) {
      clock().jump(MIN)
      await sweep()
      for (const instant of planned()) if (!at.has(instant)) at.set(instant, clock().now() - Date.parse(instant))
      await cancelAll()
    }
    const delays = [...at.values()]
    expect(delays.every(ms => ms >= 0 && ms <= 31 * MIN)).toBe(true)
    expect(new Set(delays.map(ms => Math.floor(ms / MIN))).size).toBeGreaterThan(3)
    expect([...at.keys()].map(instant => Date.parse(instant) % HOUR)).toEqual(delays.map(() => 0))
    expect(tasks().some(({ spec }) => 'late' in spec.labels)).toBe(false)
  })
})

describe('instants that were missed', () => {
  it('in three days of sleep make one task, the latest, which says how late it is', async () => {
    await add()
    await all.die(3 * DAY + 5 * HOUR)
    await all.begin()
    await sweep()
    await sweep()
    expect(tasks().map(({ spec }) => spec.labels)).toEqual([
      { schedule: 'nightly', planned: '2026-01-04T02:30:00.000Z', late: '2h30m' },
    ])
    const { next, runs } = await show()
    expect(next).toBe('2026-01-05T02:30:00.000Z')
    expect(runs).toMatchObject([{ planned: '2026-01-04T02:30:00.000Z', lateMs: expect.any(Number) }])
    expect(runs[0]?.lateMs).toBeGreaterThan(2 * HOUR)
  })

  it('make none where nothing is made up for, and that is told', async () => {
    await add({ catchUp: 'skip' })
    await all.die(DAY)
    await all.begin()
    await sweep()
    expect(tasks()).toEqual([])
    const { runs, next } = await show()
    expect(runs).toMatchObject([{ task: null, note: expect.stringMatching(/^skipped: it would be 2\dh.* late, and /) }])
    expect(next).toBe('2026-01-02T02:30:00.000Z')
    // A restart of some seconds is no absence.
    goTo('2026-01-02T02:30:20.000Z')
    await sweep()
    expect(planned()).toEqual(['2026-01-02T02:30:00.000Z'])
  })

  it('of many schedules come three a minute after a start', async () => {
    for (let number = 0; number < 10; number++) await add({ name: `n${number}` })
    await all.die(DAY)
    await all.begin()
    const counts: number[] = []
    for (let minute = 0; minute < 5; minute++) {
      await sweep()
      await sweep()
      counts.push(tasks().length)
      clock().jump(61_000)
    }
    expect(counts).toEqual([3, 6, 9, 10, 10])
  })
})

describe('while the task of an earlier instant goes on', () => {
  const LONG = { commits: 1, ms: 40 * HOUR, busy: true }

  it('an instant makes none, and show tells why', async () => {
    await add({ request: request(LONG) })
    await pass(30 * HOUR)
    const [task] = tasks()
    const { runs } = await show()
    expect(runs).toMatchObject([
      { task: null, note: `skipped: task ${task?.id} of an earlier instant goes on (--overlap skip)` },
      { task: task?.id, note: null },
    ])
  })

  it('one task waits for it where that is asked, and no second one', async () => {
    await add({ request: request(LONG), overlap: 'queue' })
    await pass(2 * DAY + 5 * HOUR)
    const [first, second, ...more] = tasks()
    expect(second?.spec.after).toMatchObject({ ids: [first?.id], if: 'ended' })
    expect(more).toEqual([])
    expect((await show()).runs[0]).toMatchObject({
      task: null,
      note: expect.stringContaining(`task ${second?.id} waits already`),
    })
  })

  it.each(['skip', 'queue'])('is not overtaken where one that came later is over (%s)', async overlap => {
    await add({ request: request(LONG), overlap })
    await pass(3 * HOUR)
    const first = tasks()[0]?.id ?? ''
    await call('POST', '/nightly/run')
    await all.life.engine.signal({ kind: 'cancel', taskId: tasks()[1]?.id ?? '' })
    expect(await all.rest(tasks()[1]?.id ?? '')).toBe(true)
    expect(all.life.task(first).step).not.toBeNull()
    await pass(DAY)
    const [third, ...more] = tasks().slice(2)
    expect(more).toEqual([])
    if (overlap === 'skip')
      expect([third, (await show()).runs[0]?.note]).toEqual([
        undefined,
        `skipped: task ${first} of an earlier instant goes on (--overlap skip)`,
      ])
    else expect(third?.spec.after).toMatchObject({ ids: [first], if: 'ended' })
  })
})

describe('how it went', () => {
  const FAILS = { exitCode: 3 }
  const notices = () =>
    due(all.life.engine.store.sql, 'notify-webhook', clock().now(), 100).map(({ payload }) => payload)
  async function day(): Promise<void> {
    await pass(DAY, DAY)
    await finish()
  }

  it('is counted: three bad ends in a row pause it and are told, once', async () => {
    await add({ request: request(FAILS) })
    for (let count = 1; count <= 3; count++) {
      expect(await show()).toMatchObject({ state: 'active', streak: 1 - count })
      await day()
    }
    const last = tasks().at(-1)
    const why = `3 bad ends in a row; the last: task ${last?.id} is failed (agent_error)`
    expect(await show()).toMatchObject({ state: 'paused', streak: -3, next: null, why })
    await day()
    expect(tasks()).toHaveLength(3)
    const told = notices().filter(({ event }) => event === 'schedule-failing')
    expect(told).toMatchObject([{ schedule: 'nightly', taskId: last?.id, status: 'failed' }])
    expect((await call('POST', '/nightly/resume'))[1]).toMatchObject({ state: 'active', streak: 0, why: null })
    await day()
    expect([tasks().length, (await show()).state]).toEqual([4, 'active'])
  })

  it('does not pause one that is to go on', async () => {
    await add({ request: request(FAILS), keepGoing: true })
    for (let count = 0; count < 4; count++) await day()
    expect(await show()).toMatchObject({ state: 'active', streak: -4 })
  })

  it('ends one that was to go on until it is good', async () => {
    await add({ untilGreen: true })
    await day()
    const [task] = tasks()
    const why = `task ${task?.id} is completed (unverified), which it was to go on for (--until-green)`
    expect(await show()).toMatchObject({ state: 'paused', streak: 1, why })
    expect(notices().filter(({ event }) => event === 'schedule-failing')).toEqual([])
  })

  it('counts what can no longer be submitted as a bad end, with the reason', async () => {
    await add({ request: request({}, { command: null, agent: 'claude' }), cron: '0 * * * *' })
    const { claude: _, ...agents } = all.life.engine.config.agents
    all.life.engine.config.agents = agents as typeof all.life.engine.config.agents
    await pass(4 * HOUR, HOUR)
    const { state, why, runs } = await show()
    expect([state, tasks()]).toEqual(['paused', []])
    expect(why).toContain('3 bad ends in a row; the last: no task could be made: unknown agent "claude"')
    expect(runs).toHaveLength(3)
    expect(notices()).toMatchObject([{ event: 'schedule-failing', schedule: 'nightly', taskId: '' }])
  })

  it('says nothing where its task was cancelled or removed', async () => {
    await add()
    await pass(DAY, DAY)
    await all.life.engine.signal({ kind: 'cancel', taskId: tasks()[0]?.id ?? '' })
    await finish()
    expect(await show()).toMatchObject({ streak: 0, last: { status: 'cancelled' } })
  })
})

describe('what people ask of it', () => {
  it('is checked before anything is stored', async () => {
    const refusals: [object, string][] = [
      [{ cron: '61 * * * *' }, '"61 * * * *" is no pattern: Invalid value for minute: 61'],
      [{ cron: '0 0 30 2 *' }, '"0 0 30 2 *" never comes'],
      [{ cron: '* * * * * *' }, 'five fields of cron'],
      [{ cron: '2026-05-01T00:00:00' }, 'five fields of cron'],
      [{ cron: '@reboot' }, '"@reboot" is no pattern'],
      [{ zone: 'Mars/Base' }, '"Mars/Base" is no time zone'],
      [
        { jitterMs: 30 * MIN, cron: '*/30 * * * *' },
        'a jitter of 30m a task could come after the next instant, 30m later',
      ],
      [{ name: 'a/b' }, 'name: must be letters'],
      [{ request: request({}, { command: null, agent: 'nobody' }) }, 'unknown agent "nobody"'],
      [
        { request: request({}, { repo: { ...REPO, url: 'https://a:b@example.org/x' } }) },
        'the address has a password in it',
      ],
    ]
    for (const [change, message] of refusals) {
      const body = { name: 'nightly', cron: '30 2 * * *', zone: 'UTC', request: request(), ...change }
      const [status, answer] = await call('POST', '', body)
      expect([status, answer]).toEqual([
        400,
        { error: expect.objectContaining({ message: expect.stringContaining(message) }) },
      ])
    }
    expect((await call('GET', ''))[1]).toEqual([])
  })

  it('may be said twice, and is refused when it is something else under the same name', async () => {
    await add()
    const again = { name: 'nightly', cron: '30 2 * * *', zone: 'UTC', request: request() }
    expect((await call('POST', '', again))[0]).toBe(200)
    const [status, other] = await call('POST', '', { ...again, cron: '30 3 * * *' })
    expect([status, other]).toMatchObject([409, { error: { code: 'WRONG_STATE', hint: 'tdf schedule rm nightly' } }])
  })

  it('submits now, pauses, goes on, and forgets', async () => {
    await add({ overlap: 'queue' })
    const [made, task] = await call('POST', '/nightly/run')
    expect([made, task]).toMatchObject([201, { schedule: 'nightly', labels: { schedule: 'nightly' } }])
    expect((await show()).runs).toMatchObject([{ note: 'by hand' }])
    expect((await call('POST', '/nightly/pause'))[1]).toMatchObject({
      state: 'paused',
      next: null,
      why: 'tdf schedule pause',
    })
    await pass(2 * DAY, DAY)
    expect(tasks()).toHaveLength(1)
    expect((await call('POST', '/nightly/resume'))[1]).toMatchObject({ next: '2026-01-03T02:30:00.000Z' })
    await pass(DAY, DAY)
    expect(tasks()).toHaveLength(2)
    expect((await call('DELETE', '/nightly'))[0]).toBe(200)
    expect(await call('GET', '/nightly')).toMatchObject([404, { error: { hint: 'tdf schedule ls' } }])
    expect(tasks()).toHaveLength(2)
  })
})
