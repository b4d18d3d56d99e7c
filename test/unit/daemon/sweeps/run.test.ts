/** What a round of a sweep leaves in the log, and what its driver answers. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkpoints } from '../../../../daemon/sweeps/checkpoints.ts'
import { notify } from '../../../../daemon/sweeps/deliveries.ts'
import { createSweeper, type Sweep, type SweepParts } from '../../../../daemon/sweeps/run.ts'
import { due, post } from '../../../../src/store/tables/outbox.ts'
import { aConfig } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
let said: [string, unknown, unknown][]
beforeEach(async () => {
  all = await lives({ config: aConfig({ results: { checkpointInterval: MIN } }) })
  said = []
})
afterEach(() => all.end())

const parts = {} as SweepParts
function engine() {
  const note = (level: string) => (about: unknown, message: unknown) => void said.push([level, about, message])
  const log = { ...all.life.engine.log, info: note('info'), warn: note('warn'), error: note('error') }
  return { ...all.life.engine, log }
}
const sweep = (name: string, run: Sweep['run']): Sweep => ({ name, everyMs: () => MIN, run })

it('a round is worth a line when it counted something', async () => {
  const counts = { none: 0, some: 2 }
  const sweeper = createSweeper(engine(), parts, [
    sweep('busy', async () => counts),
    sweep('idle', async () => ({ none: 0 })),
  ])
  expect(await sweeper.run('busy')).toEqual(counts)
  expect(await sweeper.run('idle')).toEqual({ none: 0 })
  expect(said).toEqual([['info', { sweep: 'busy', ...counts }, 'sweep']])
  expect(await sweeper.run('nobody')).toEqual({})
})

it('a round that fails is said and counts nothing; the time of the last success stays', async () => {
  let isWell = true
  const sweeper = createSweeper(engine(), parts, [
    sweep('mine', async () => {
      if (!isWell) throw new Error('no disk')
      return {}
    }),
  ])
  await all.life.world.clock.advance(MIN)
  await sweeper.run('mine')
  const succeededAt = all.life.world.clock.now()
  expect(sweeper.beacons()).toEqual({ mine: succeededAt })
  isWell = false
  await all.life.world.clock.advance(MIN)
  expect(await sweeper.run('mine')).toEqual({})
  expect(said).toEqual([['error', { sweep: 'mine', err: 'no disk' }, 'a sweep failed']])
  expect(sweeper.beacons()).toEqual({ mine: succeededAt })
})

it('the end of the daemon interrupts a round, waits for it, and is no failure', async () => {
  let isEnded = false
  const waits: Sweep['run'] = (_engine, _parts, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        isEnded = true
        reject(signal.reason)
      })
    })
  const sweeper = createSweeper(engine(), parts, [{ ...sweep('long', waits), atStart: true }])
  sweeper.tick()
  sweeper.tick(['another'])
  expect(isEnded).toBe(false)
  await sweeper.stop()
  expect([isEnded, said]).toEqual([true, []])
})

it('an alarm says which sweep is silent, and for how long', async () => {
  const sweeper = createSweeper(engine(), parts, [
    sweep('mine', async () => {
      throw new Error('no disk')
    }),
  ])
  for (let passed = 0; passed < 3 * MIN; passed += 10_000) {
    sweeper.tick()
    await all.life.world.clock.advance(10_000)
  }
  sweeper.tick()
  const alarms = said.filter(([, , message]) => String(message).includes('has not succeeded'))
  const message = 'the sweep "mine" has not succeeded for 180 s'
  expect(alarms).toEqual([['error', { sweep: 'mine', silentMs: 180_000 }, message]])
})

it('a checkpoint that the end of the daemon interrupts is not counted as one that failed', async () => {
  const id = await all.submit({}, { commits: 1, ms: 5 * HOUR, busy: true })
  await all.until(() => all.life.task(id).step === 'running', HOUR)
  await all.life.world.clock.advance(2 * MIN)
  const stopped = new AbortController()
  stopped.abort(new Error('the daemon stops'))
  await expect(checkpoints().run(engine(), parts, stopped.signal)).rejects.toThrow()
})

it('a notice that was taken is counted and gone; one that was not is tried later, and the next ones with it', async () => {
  let isUp = true
  const fetch = async () => new Response('', { status: isUp ? 200 : 503 })
  const channel = notify.find(({ name }) => name === 'notify-webhook')
  const run = () => {
    const world = { ...all.life.engine.world, fetch }
    return channel?.run({ ...engine(), world } as never, parts, new AbortController().signal)
  }
  const { sql } = all.life.engine.store
  const put = (id: string) =>
    post(sql, { id, kind: 'notify-webhook', payload: { event: 'done', taskId: id }, dueAt: all.life.world.clock.now() })
  Object.assign(all.life.engine.config.notify, { webhook: 'http://told.test' })
  put('a')
  put('b')
  expect(await run()).toEqual({ told: 2, failed: 0 })
  expect(await run()).toEqual({ told: 0, failed: 0 })
  expect(said).toEqual([])
  isUp = false
  put('c')
  put('d')
  expect(await run()).toEqual({ told: 0, failed: 1 })
  const about = { task: 'c', way: 'webhook', tries: 1, isLast: false }
  expect(said).toEqual([['warn', about, 'not told: told.test answered 503']])
  expect(await run()).toEqual({ told: 0, failed: 1 })
  expect(said[1]?.[1]).toMatchObject({ task: 'd' })
  expect(await run()).toEqual({ told: 0, failed: 0 })
  sql.run("update outbox set tries = 14, due_at = 0 where id = 'c'")
  expect(await run()).toEqual({ told: 0, failed: 1 })
  expect(said[2]?.[1]).toMatchObject({ task: 'c', tries: 15, isLast: true })
  const given = due(sql, 'error', Number.MAX_SAFE_INTEGER, 10).map(({ id, payload }) => [id, payload])
  const message = 'the webhook of [notify] was tried 15 times for task c and given up: told.test answered 503'
  const record = { level: 'warn', source: 'notify', taskId: 'c', code: 'NOTIFY_FAILED', message }
  expect(given).toEqual([['err-c', expect.objectContaining(record)]])
})
