/** What nobody needs any more: old journal rows, used signals, old failures, uploads and downloads that were left. */
import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { readLive } from '../../src/store/attempts.ts'
import { forgetBundle, staleBundles } from '../../src/store/bundles.ts'
import { pruneSignals } from '../../src/store/inbox.ts'
import { pruneEvents } from '../../src/store/journal.ts'
import type { Engine } from '../deps.ts'
import type { Sweep, SweepParts } from './sweep.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEPT_MS = 30 * DAY_MS
const ERROR_ROWS_MAX = 100_000
const ROWS_MAX = 5_000
/** An upload that no live task names is kept a while for the next submit of the same commit. */
const BUNDLE_MS = 7 * DAY_MS
const LEFTOVER_MS = HOUR_MS

export const prune: Sweep = {
  name: 'prune',
  everyMs: config => config.sweeps.interval,
  async run(engine, parts) {
    const { store, world } = engine
    const before = world.clock.now() - KEPT_MS
    const rows = await store.commit(() => ({
      events: pruneEvents(store.sql, before, ROWS_MAX),
      signals: pruneSignals(store.sql, before, ROWS_MAX),
    }))
    const failures = parts.observability.prune(before, ERROR_ROWS_MAX)
    return {
      ...rows,
      failures,
      bundles: await pruneBundles(engine),
      files: await pruneLeftovers(engine, parts),
      packs: await prunePacks(engine, parts),
    }
  },
}

async function pruneBundles(engine: Engine): Promise<number> {
  const { store, world } = engine
  const stale = staleBundles(store.sql, world.clock.now() - BUNDLE_MS)
  for (const { sha256 } of stale) {
    // The row first: a file without a row is found again as a leftover, a row without its file would be a lie.
    await store.commit(() => forgetBundle(store.sql, sha256))
    await rm(engine.bundleFile(sha256), { force: true })
  }
  return stale.length
}

/** The bundle of a resumed attempt is needed until the attempt is over: its workspace may have to be made again. */
async function prunePacks({ store }: Engine, { stateDir }: SweepParts): Promise<number> {
  const folder = path.join(stateDir, 'packs')
  const live = new Set(readLive(store.sql).map(({ id, attempt }) => `${id}-${attempt}.bundle`))
  const over = (await readdir(folder).catch(() => [])).filter(name => !live.has(name))
  for (const name of over) await rm(path.join(folder, name), { force: true })
  return over.length
}

async function pruneLeftovers({ world }: Engine, { stateDir }: SweepParts): Promise<number> {
  const folder = path.join(stateDir, 'downloads')
  let removed = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const file = path.join(folder, name)
    const found = await stat(file).catch(() => null)
    if (!found || world.clock.now() - found.mtimeMs < LEFTOVER_MS) continue
    await rm(file, { force: true })
    removed += 1
  }
  return removed
}
