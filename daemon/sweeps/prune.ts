/** Removes what is out of retention: old rows, failures and logs, uploads and downloads that were left, unused sources. */
import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { neededSources, readAttempt, readLive, updateAttempt } from '../../src/store/tables/attempts.ts'
import { forgetBundle, staleBundles } from '../../src/store/tables/bundles.ts'
import { pruneSignals } from '../../src/store/tables/inbox.ts'
import { pruneEvents } from '../../src/store/tables/journal.ts'
import type { Engine } from '../services.ts'
import type { Sweep, SweepParts } from './run.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const BATCH_ROWS = 1_000
const BATCHES_MAX = 500
/** An upload that no live task names is kept a while for the next submit of the same commit. */
const BUNDLE_MS = 7 * DAY_MS
const LEFTOVER_MS = HOUR_MS
/** What was fetched or uploaded of a repository that no task has begun from, or gone on from, for so long. */
const SOURCE_MS = 30 * DAY_MS

export const prune: Sweep = {
  name: 'prune',
  everyMs: config => config.sweeps.interval,
  async run(engine, parts, signal) {
    const { retention } = engine.config
    const now = engine.world.clock.now()
    return {
      ...(await pruneRows(engine, signal)),
      failures: parts.observability.prune(now - retention.errors, retention.errorsRows),
      bundles: await pruneBundles(engine),
      files: await pruneFolder(engine, path.join(parts.stateDir, 'downloads'), LEFTOVER_MS),
      uploads: await pruneFolder(engine, path.join(parts.stateDir, 'uploads'), LEFTOVER_MS),
      packs: await prunePacks(engine, parts),
      sources: await engine.results.removeUnused(now - SOURCE_MS, () => neededSources(engine.store.sql)),
      artifacts: await pruneArtifacts(engine, now - retention.artifacts),
      logs: await pruneFolder(engine, path.join(parts.stateDir, 'logs'), retention.logs, engine.results.files.remove),
    }
  },
}

/** In batches with a commit each, so that no other write waits long. */
async function pruneRows({ store, world, config }: Engine, signal: AbortSignal) {
  const { journal, journalRows } = config.retention
  const before = world.clock.now() - journal
  const rows = { events: 0, signals: 0 }
  for (let batch = 0; batch < BATCHES_MAX && !signal.aborted; batch++) {
    const { events, signals } = await store.commit(() => ({
      events: pruneEvents(store.sql, before, journalRows, BATCH_ROWS),
      signals: pruneSignals(store.sql, before, BATCH_ROWS),
    }))
    rows.events += events
    rows.signals += signals
    if (events < BATCH_ROWS && signals < BATCH_ROWS) break
  }
  return rows
}

async function pruneBundles(engine: Engine): Promise<number> {
  const { store, world, sources } = engine
  const stale = staleBundles(store.sql, world.clock.now() - BUNDLE_MS)
  let pruned = 0
  for (const bundle of stale) {
    // A task that is over may be tried again, with what it began from.
    if (!(await sources.keep(bundle))) continue
    const { sha256 } = bundle
    // The row first: a file without a row is found again as a leftover, a row without its file would be a lie.
    await store.commit(() => forgetBundle(store.sql, sha256))
    await engine.results.files.remove(engine.bundleFile(sha256))
    pruned += 1
  }
  return pruned
}

/** The bundle of a resumed attempt is needed until the attempt is over: its workspace may have to be made again. */
async function prunePacks({ store, results }: Engine, { stateDir }: SweepParts): Promise<number> {
  const folder = path.join(stateDir, 'packs')
  const live = new Set(readLive(store.sql).map(({ id, attempt }) => `${id}-${attempt}.bundle`))
  await store.settled()
  const over = (await readdir(folder).catch(() => [])).filter(name => !live.has(name))
  for (const name of over) await rm(path.join(folder, name), { force: true })
  await results.files.prune(folder, name => !live.has(name))
  return over.length
}

/** Those of attempts that ended before `before`, Unix ms; what such a task says of them goes first. */
function pruneArtifacts({ store, results }: Engine, before: number): Promise<number> {
  return results.removeArtifacts(key =>
    store.commit(() => {
      const task = readAttempt(store.sql, key)
      if (task && (task.completedAt === null || task.completedAt >= before)) return false
      const salvage = task?.facts.salvage
      const facts = { ...task?.facts, ...(salvage ? { salvage: { ...salvage, files: null } } : {}) }
      if (task && salvage?.files) updateAttempt(store.sql, task, { ...task, facts }, task.updatedAt)
      return true
    }),
  )
}

/** What stands in a folder of ours and was not touched for so long. */
async function pruneFolder({ world }: Engine, folder: string, keptMs: number, remove = removeHere): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const file = path.join(folder, name)
    const found = await stat(file).catch(() => null)
    if (!found || world.clock.now() - found.mtimeMs < keptMs) continue
    await remove(file)
    removed += 1
  }
  return removed
}

const removeHere = (file: string) => rm(file, { recursive: true, force: true })
