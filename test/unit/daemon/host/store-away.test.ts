/** A state that is in a database elsewhere, and what the daemon does while that does not answer. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { controlApp } from '../../../../daemon/api/control.ts'
import type { Control } from '../../../../daemon/api/control-parts.ts'
import { why } from '../../../../daemon/api/tasks/why.ts'
import { careSweeps, createBackups } from '../../../../daemon/host/backups.ts'
import { createDisk } from '../../../../daemon/host/disk.ts'
import { createHealth } from '../../../../daemon/reporting/health.ts'
import { lastSeq } from '../../../../src/store/tables/journal.ts'
import { readNodes } from '../../../../src/store/tables/nodes.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import { insertWatch } from '../../../../src/store/tables/pushes.ts'
import { countByStatus } from '../../../../src/store/tables/tasks.ts'
import { aConfig } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives({ ledger: {}, config: aConfig({ repositories: { fetch: 'node' } }) })
})
afterEach(() => all.end())

const engine = () => all.life.engine
const clock = () => all.life.world.clock
const ledger = () => all.out.ledger as NonNullable<typeof all.out.ledger>

/** What comes over the control socket. */
function ask(route: string, key?: string) {
  const app = controlApp(engine(), { stateDir: all.out.dir } as Control)
  const headers = { host: 'tdf', 'content-type': 'application/json', 'idempotency-key': key ?? '' }
  if (key === undefined) return app.request(route, { headers: { host: 'tdf' } })
  const repo = { kind: 'git', url: 'https://example.org/repo.git', ref: null }
  const body = JSON.stringify({ prompt: 'say hi', command: ['true'], repo, provider: 'static' })
  return app.request(route, { method: 'POST', headers, body })
}
const submit = (key: string) => ask('/v1/tasks', key)

const tasks = () => Object.values(countByStatus(engine().store.sql)).reduce((sum, count) => sum + count, 0)
/** Lets time pass until it holds: a request takes turns that no time is needed for. */
async function passUntil(holds: () => boolean): Promise<void> {
  while (!holds()) await clock().advance(100)
}

it('a submit is told to come again, and is one task once the database is back', async () => {
  ledger().leave()
  const answers: Response[] = []
  const take = (answer: Response) => answers.push(answer)
  const first = Promise.resolve(submit('k')).then(take)
  await passUntil(() => tasks() === 1)
  // The task can be seen by now, and is not promised by that.
  const second = Promise.resolve(submit('k')).then(take)
  await passUntil(() => answers.length === 2)
  await Promise.all([first, second])
  for (const answer of answers) {
    expect([answer.status, await answer.json()]).toMatchObject([503, { error: { code: 'STORE_AWAY' } }])
  }
  ledger().comeBack()
  await all.life.world.settle()
  const third = await submit('k')
  expect([200, 201]).toContain(third.status)
  expect(tasks()).toBe(1)
})

it('what is asked of a pull request, a node or the daemon is told to come again, and waits no longer than a submit', async () => {
  const id = await all.submit({}, { commits: 1 })
  expect(await all.rest()).toBe(true)
  const { sql } = engine().store
  const watch = { taskId: id, url: 'https://example.org/pull/1', goal: 'green', rounds: 3, head: 'abc' } as const
  await engine().store.commit(() => insertWatch(sql, watch, clock().now()))
  const [node] = readNodes(sql)
  ledger().leave()
  const post = (route: string, body: object) =>
    controlApp(engine(), { stateDir: all.out.dir } as Control).request(`/v1${route}`, {
      method: 'POST',
      headers: { host: 'tdf', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const asked = [post(`/tasks/${id}/pr`, { verb: 'pause' }), post(`/nodes/${node?.name}/drain`, {}), post('/drain', {})]
  const answers: Response[] = []
  for (const one of asked) void Promise.resolve(one).then(answer => answers.push(answer))
  for (let passedMs = 0; passedMs < MIN && answers.length < asked.length; passedMs += 100) await clock().advance(100)
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503])
  ledger().comeBack()
  await all.life.world.settle()
  // What had begun is stored all the same, and counts.
  expect(engine().admission.obstacle()).toMatch(/drain/)
})

it('an event is told once it is stored: its number may be that of another until then', async () => {
  const events = async () =>
    ((await (await ask('/v1/events?after=0')).json()) as { seq: number }[]).map(({ seq }) => seq)
  const before = await events()
  ledger().leave()
  const first = submit('k')
  await passUntil(() => lastSeq(engine().store.sql) > (before.at(-1) ?? 0))
  expect(await events()).toEqual(before)
  ledger().comeBack()
  await first
  expect((await events()).length).toBeGreaterThan(before.length)
})

it('a run goes on where it is, nothing of it is decided, and it ends once the database is back', async () => {
  const id = await all.submit({}, { commits: 1, ms: 10 * MIN, busy: true })
  expect(await all.until(() => all.life.task(id).step === 'running', HOUR)).toBe(true)
  ledger().leave()
  await clock().advance(HOUR)
  const { seq } = ledger().position
  expect(all.life.task(id).status).toBe('in_progress')
  expect(why(engine(), all.life.task(id)).sentence).toContain('the database does not answer. It goes on when it does')
  ledger().comeBack()
  expect(await all.rest()).toBe(true)
  expect(all.life.task(id)).toMatchObject({ status: 'completed', attempt: 1 })
  expect([...(all.agent().starts.values() ?? [])]).toEqual([1])
  expect(ledger().position.seq).toBeGreaterThan(seq)
})

it('the daemon says that nothing is stored, and is not restarted for it', async () => {
  const health = createHealth(engine())
  const storage = async () =>
    (await health.look()).filter(({ name }) => ['storage', 'database', 'scheduler'].includes(name))
  ledger().leave()
  await clock().advance(HOUR)
  const away = { name: 'storage', ok: false, vital: false, detail: expect.stringContaining('does not answer') }
  expect(await storage()).toEqual([away])
  ledger().comeBack()
  await all.life.world.settle()
  expect((await storage()).every(({ ok }) => ok)).toBe(true)
  health.stop()
})

it('how long nothing could be stored is put on record once it is over', async () => {
  const disk = createDisk(all.out.dir, engine)
  const said = () => due(engine().store.sql, 'error', Number.MAX_SAFE_INTEGER, 100).map(({ payload }) => payload)
  ledger().leave()
  disk.look()
  await clock().advance(HOUR)
  disk.look()
  ledger().comeBack()
  await all.life.world.settle()
  disk.look()
  await all.life.world.settle()
  const { outage } = engine().store
  expect(outage()).toMatchObject({ until: clock().now() })
  expect(said()).toMatchObject([
    { code: 'STORE_AWAY', message: expect.stringMatching(/connection refused.* for 1h; it can be/) },
  ])
})

it('no room is kept and no backup is written for a state that is not here', async () => {
  const { store, world, config } = engine()
  const disk = createDisk(all.out.dir, engine)
  await disk.keepReserve()
  expect([config.disk.reserve > 0, existsSync(path.join(all.out.dir, 'reserve'))]).toEqual([true, false])
  const backups = createBackups({ store, world, stateDir: all.out.dir })
  await expect(backups.make()).rejects.toMatchObject({
    code: 'WRONG_STATE',
    message: expect.stringContaining('PostgreSQL'),
  })
  const sweep = careSweeps(disk, backups).find(({ name }) => name === 'backup')
  const parts = { stateDir: all.out.dir } as Parameters<NonNullable<typeof sweep>['run']>[1]
  expect(await sweep?.run(engine(), parts, new AbortController().signal)).toEqual({})
  expect(await backups.list()).toEqual([])
})
