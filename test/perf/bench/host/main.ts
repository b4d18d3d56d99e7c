/**
 * The bench host: the real store, loop, inbox and callback server with a journey of seven steps that do nothing, so that
 * other engines can be measured beside it. `DATA_DIR` keeps the state, `PORT` is on loopback, `PROBE_FILE` is told what
 * happened when, `RECORD_FILE` at the end every statement. With `STORE_URL` and `MEMBER` the state is in a PostgreSQL that several
 * hosts share. `GET /` answers 200 once it is ready, 503 and how many rows it follows while it stands by; `POST /tasks/:id` 201 once the task is durable;
 * `POST /tasks/:id/callback` 200, or 409 while the task has not reached its fifth step. A restart goes on.
 */

import { mkdirSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import process from 'node:process'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { answerError, guard } from '../../../../daemon/api/guard.ts'
import { buildEngine } from '../../../../daemon/build.ts'
import { parseSubject, taskSubject } from '../../../../daemon/engine/loop.ts'
import { servers } from '../../../../daemon/results/push/servers.ts'
import { isTerminal } from '../../../../src/core/task.ts'
import { listen } from '../../../../src/platform/listen.ts'
import { silentLog } from '../../../../src/platform/log.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { takeLock } from '../../../../src/store/sqlite/lock.ts'
import { openStore } from '../../../../src/store/store.ts'
import { wakeAttempt } from '../../../../src/store/tables/attempts.ts'
import { countByStatus, countLive } from '../../../../src/store/tables/tasks.ts'
import { fakeResults, fakeSources } from '../../../fakes/results/results.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'
import { replaceBodies, WAITING_FOR, WAITING_STEP } from './journey.ts'
import { createProbe } from './probe.ts'
import { recordStatements } from './recorder.ts'
import { createShared } from './shared.ts'

const { DATA_DIR = 'bench-data', PORT = '7700', PROBE_FILE, RECORD_FILE, STORE_URL, MEMBER = 'bench' } = process.env
const SPEC = aSpec()
/** A wake so far away, in ms, is the one of the step that waits. */
const PARKED_MS = 3_600_000

/** Tasks that are known to wait; of others the row is read. */
const parked = new Set<string>()
const probe = createProbe(PROBE_FILE)
/** Tasks whose fifth body found no callback: they are parked once that is stored. */
const waiting = new Set<string>()
replaceBodies(probe, waiting)
const writeRecord = RECORD_FILE ? recordStatements(RECORD_FILE) : () => {}
mkdirSync(DATA_DIR, { recursive: true })
const world = realWorld()
takeLock(DATA_DIR, { pid: process.pid, startedAt: new Date().toISOString() })
const shared = STORE_URL ? createShared(STORE_URL, MEMBER, world) : undefined
let answer: RequestListener = (_, response) => response.writeHead(503).end(String(shared?.followed()))
const limits = { clock: world.clock, requestTimeoutMs: 30_000, connectionsMax: 512 }
const address = { kind: 'tcp', host: '127.0.0.1', port: Number(PORT) } as const
const open = () => listen((request, response) => answer(request, response), address, limits)
const standing = shared && (await open())
const store = shared ? await shared.takeOver() : openStore(DATA_DIR, world)
const engine = buildEngine({
  ...{ world, store, config: aConfig(), log: silentLog, results: fakeResults(), sources: fakeSources(), servers },
  // No nodes: the placement pass that every submit asks for finds nobody.
  providers: {},
  install: { id: 'bench', key: Buffer.alloc(32) },
  callbackUrl: () => '',
  bundleFile: () => '',
  secrets: () => ({}),
})
await engine.takeUp()
const { schedule } = engine.loop
engine.loop.schedule = scheduled
answer = getRequestListener(routes().fetch)
const listener = standing ?? (await open())
process.stdout.write(`${listener.port}\n`)
process.once('SIGTERM', async () => {
  await listener.stop()
  await engine.loop.stop()
  await store.close()
  await shared?.close()
  writeRecord()
  process.exit(0)
})

function routes(): Hono {
  const app = new Hono()
  app.use(guard(() => []))
  app.onError((error, c) => answerError(silentLog, error, c))
  app.get('/', c => c.text('ready'))
  // How many tasks there are, and how many of them have not ended.
  app.get('/tasks', c => {
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, count) => all + count, 0)
    return c.json({ all: sum(countByStatus(store.sql)), live: sum(countLive(store.sql)) })
  })
  app.post('/tasks/:id', async c => {
    const id = c.req.param('id')
    await submit(id)
    return c.json({ id }, 201)
  })
  app.post('/tasks/:id/callback', async c => {
    const id = c.req.param('id')
    if (!parked.has(id)) {
      const task = engine.query(id)
      if (!task) return c.json({ accepted: false }, 404)
      const waits = task.step === WAITING_STEP && task.waitingFor === WAITING_FOR
      const isPast = isTerminal(task.status) || task.step === 'salvage' || task.step === 'cleanup'
      if (!waits && !isPast) return c.json({ accepted: false }, 409)
    }
    return c.json(await engine.signal({ kind: 'followup', taskId: id, deliveryId: 'callback', text: '' }))
  })
  return app
}

/** As a placement pass that finds room at once would leave it: the task is due when its row is there. */
async function submit(id: string): Promise<void> {
  const about = { idempotencyKey: null, idempotencyHash: null, createdAt: world.clock.now() }
  const key = { id, attempt: 1 }
  await Promise.all([
    engine.submit({ id, spec: SPEC, ...about }),
    store.commit(() => {
      const now = world.clock.now()
      if (wakeAttempt(store.sql, key, now)) store.afterCommit(() => engine.loop.schedule(taskSubject(key), now))
    }),
  ])
}

/** Called right after COMMIT: what it says is durable. */
function scheduled(subject: string, at: number | null): void {
  const parsed = parseSubject(subject)
  if (parsed.kind === 'task' && at === null) end(parsed.key.id)
  else if (parsed.kind === 'task' && at !== null && waiting.has(parsed.key.id) && at > world.clock.now() + PARKED_MS)
    park(parsed.key.id)
  schedule(subject, at)
}

function park(id: string): void {
  parked.add(id)
  probe(id, 'park')
}

function end(id: string): void {
  parked.delete(id)
  probe(id, 'done')
}
