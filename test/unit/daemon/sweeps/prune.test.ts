/** What is out of retention goes, and nothing else: rows, failures, uploads, downloads, packs, logs. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { prune } from '../../../../daemon/sweeps/prune.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { readAttempt, updateAttempt } from '../../../../src/store/tables/attempts.ts'
import { addBundle, readBundle } from '../../../../src/store/tables/bundles.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
const asked: unknown[][] = []
beforeEach(async () => {
  all = await lives()
  asked.length = 0
})
afterEach(() => all.end())

const now = () => all.life.world.clock.now()
function sweep(signal = new AbortController().signal) {
  const observability = {
    prune: (...about: unknown[]) => {
      asked.push(about)
      return 3
    },
  }
  return prune.run(all.life.engine, { stateDir: all.out.dir, observability } as unknown as SweepParts, signal)
}
/** A file, or a folder with one, of which nothing was touched for so long. */
function left(folder: string, name: string, ageMs: number, isFolder = false): string {
  const file = path.join(all.out.dir, folder, name)
  mkdirSync(isFolder ? file : path.dirname(file), { recursive: true })
  writeFileSync(isFolder ? path.join(file, 'one') : file, 'x')
  const at = (now() - ageMs) / 1_000
  utimesSync(file, at, at)
  return file
}
const none = {
  events: 0,
  signals: 0,
  failures: 3,
  bundles: 0,
  files: 0,
  uploads: 0,
  packs: 0,
  sources: 0,
  artifacts: 0,
  logs: 0,
}

it('nothing goes where nothing is too old, and folders that are not there are no fault', async () => {
  expect(await sweep()).toEqual(none)
  const { retention } = all.life.engine.config
  expect(asked).toEqual([[now() - retention.errors, retention.errorsRows]])
})

it('downloads that were left for an hour go, logs when their time is over', async () => {
  const { retention } = all.life.engine.config
  const files = [
    left('downloads', 'young', HOUR - MIN),
    left('downloads', 'old', HOUR),
    left('logs', 'young', retention.logs - MIN),
    left('logs', 'old', retention.logs + MIN, true),
  ]
  expect(await sweep()).toEqual({ ...none, files: 1, logs: 1 })
  expect(files.map(file => existsSync(file))).toEqual([true, false, true, false])
})

it('an upload goes a week after it was last used, its row before its file', async () => {
  const { engine } = all.life
  const put = (sha256: string, ageMs: number) => {
    addBundle(engine.store.sql, { sha256, bytes: 1, commit: 'c', ref: 'r', source: null }, now() - ageMs)
    writeFileSync(engine.bundleFile(sha256), 'x')
  }
  put('young', 7 * DAY - MIN)
  put('old', 7 * DAY + MIN)
  expect(await sweep()).toEqual({ ...none, bundles: 1 })
  expect(['young', 'old'].map(sha => existsSync(engine.bundleFile(sha)))).toEqual([true, false])
  expect(['young', 'old'].map(sha => readBundle(engine.store.sql, sha)?.bytes)).toEqual([1, undefined])
})

it('an upload stays while the repository of its source does not hold it', async () => {
  const { engine } = all.life
  const asked: unknown[] = []
  engine.sources.keep = async bundle => asked.push(bundle) > 1
  const bundle = { sha256: 'old', bytes: 1, commit: 'c', ref: 'r', source: '/folder' }
  addBundle(engine.store.sql, bundle, now() - 8 * DAY)
  writeFileSync(engine.bundleFile('old'), 'x')
  expect(await sweep()).toEqual(none)
  expect([existsSync(engine.bundleFile('old')), readBundle(engine.store.sql, 'old')]).toEqual([true, bundle])
  expect(await sweep()).toEqual({ ...none, bundles: 1 })
  expect([existsSync(engine.bundleFile('old')), asked]).toEqual([false, [bundle, bundle]])
})

it('the bundle of a resumed attempt stays as long as the attempt is not over', async () => {
  const id = await all.submit({}, { hangs: true, busy: true })
  await all.until(() => all.life.task(id).step === 'running', HOUR)
  const packs = ['task-1-1.bundle', 'task-1-2.bundle', 'other-1.bundle']
  for (const name of packs) left('packs', name, 0)
  expect(await sweep()).toMatchObject({ packs: 2 })
  expect(readdirSync(path.join(all.out.dir, 'packs'))).toEqual(['task-1-1.bundle'])
})

it('what is here of a source goes after 30 days without a task, but not while one is live', async () => {
  await all.submit({}, { hangs: true, busy: true })
  const wishes: unknown[] = []
  all.life.engine.results.removeUnused = async (before, needed) => {
    wishes.push([before, needed()])
    return 2
  }
  expect(await sweep()).toMatchObject({ sources: 2 })
  expect(wishes).toEqual([[now() - 30 * DAY, ['https://example.org/repo.git']]])
})

it('rows of the journal and signals go when their time is over, in batches', async () => {
  const { engine } = all.life
  const { store, config } = engine
  const old = now() - config.retention.journal - MIN
  await store.commit(() => {
    for (let row = 0; row < 2_500; row++) store.append({ type: 'task.removed', taskId: 'x', data: {} }, old)
    const signal = 'insert into inbox (task_id, attempt, kind, dedupe, payload, at, consumed) values'
    for (const at of [old, now()]) store.sql.run(`${signal} ('x', 1, 'cancel', ?, '{}', ?, 1)`, `d${at}`, at)
  })
  store.sql.run('update events set at = ?', old)
  const rows = Number(store.sql.one('select count(*) as rows from events')?.rows)
  await store.commit(() => store.append({ type: 'task.removed', taskId: 'x', data: {} }, now()))
  const stopped = new AbortController()
  stopped.abort()
  expect(await sweep(stopped.signal)).toMatchObject({ events: 0, signals: 0 })
  expect(await sweep()).toMatchObject({ events: rows, signals: 1 })
  expect(await sweep()).toMatchObject({ events: 0, signals: 0 })
})

it('artifacts go when their time is over, counted from the end of their attempt, and the task says so first', async () => {
  const { engine, world } = all.life
  const id = await all.life.submit()
  await world.run(() => all.life.task(id).step === null)
  const list = [{ path: 'shot.png', bytes: 1, sha256: 'c'.repeat(64), from: 'agent' as const, blob: 'b' }]
  const salvage = { commit: 'c', baseCommit: 'b', ahead: 1, salvaged: false, leftOut: [], files: { commit: 'f', list } }
  const endedAt = (completedAt: number | null) =>
    engine.store.commit(() => {
      const seen = readAttempt(engine.store.sql, { id, attempt: 1 })
      if (!seen) return
      updateAttempt(engine.store.sql, seen, { ...seen, completedAt, facts: { ...seen.facts, salvage } }, now())
    })
  await endedAt(now())
  engine.results.removeArtifacts = async forget => {
    const gone = await Promise.all([forget({ id, attempt: 1 }), forget({ id: 'removed', attempt: 1 })])
    return gone.filter(Boolean).length
  }
  expect(await sweep()).toMatchObject({ artifacts: 1 })
  expect(all.life.task(id).facts.salvage?.files).toMatchObject({ list })
  // Its check still runs.
  await endedAt(null)
  expect(await sweep()).toMatchObject({ artifacts: 1 })
  expect(all.life.task(id).facts.salvage?.files).toMatchObject({ list })
  await endedAt(now() - engine.config.retention.artifacts - HOUR)
  expect(await sweep()).toMatchObject({ artifacts: 2 })
  expect(all.life.task(id).facts.salvage?.files).toBe(null)
})
