/**
 * Room on the daemon's own disk. Below `[disk] low` nothing new is taken in: no task, no result; what runs goes on and
 * what is known stays safe. A reserve on the disk is given up at the first write that finds no room, so that the state
 * can still be written.
 */
import { existsSync, rmSync, statfsSync } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { formatDurationShort, formatSize } from '../../src/core/duration.ts'
import { TdfError } from '../../src/core/errors.ts'
import { publishFile } from '../../src/platform/files.ts'
import { obstacles } from '../../src/text/waiting.ts'
import type { RunningEngine } from '../build.ts'
import { recordFailure } from '../reporting/failures.ts'

export interface Disk {
  freeBytes(): number
  /** Looks, and lets work begin or not. */
  look(): void
  /** Throws DISK_LOW while there is no room for what comes home. */
  assertRoom(): void
  /** Gives the reserve up at once: the state needs its room. False when there is none left. */
  giveUpReserve(): boolean
  /** Puts the reserve back when there is plenty of room. */
  keepReserve(): Promise<void>
}

type Parts = Pick<RunningEngine, 'config' | 'admission' | 'placementChanged' | 'log' | 'store' | 'world'>

/** Room that has to be there again before work begins again: without it the two would alternate. */
const RELIEF = 1.1
const CHUNK_BYTES = 1024 * 1024

export function createDisk(stateDir: string, engine: () => Parts): Disk {
  const file = path.join(stateDir, 'reserve')
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(stateDir)
    return bavail * bsize
  }
  let isLow = false

  function sentence(free: number): string | null {
    const { low } = engine().config.disk
    isLow = free < (isLow ? low * RELIEF : low)
    return isLow ? obstacles.disk(formatRoom(free), formatSize(low)) : null
  }

  return {
    freeBytes,
    look() {
      const { admission, placementChanged, log } = engine()
      recordOutage(engine())
      const said = sentence(freeBytes())
      if (!admission.set('disk', said)) return
      if (said === null) placementChanged()
      log.warn({}, said ?? 'the disk has room again: work goes on')
    },
    assertRoom() {
      const said = sentence(freeBytes())
      if (said !== null) throw new TdfError('DISK_LOW', said, { retryAfterMs: 30_000 })
    },
    giveUpReserve() {
      if (!existsSync(file)) return false
      rmSync(file, { force: true })
      engine().log.error({}, 'the disk is full: the reserve is given up so that the state can be written')
      return true
    },
    async keepReserve() {
      const { low } = engine().config.disk
      // Where the state is not on this disk nothing has to be kept free for it.
      const reserve = engine().store.kind === 'file' ? engine().config.disk.reserve : 0
      const there = (await stat(file).catch(() => null))?.size ?? 0
      if (there === reserve) return
      await rm(file, { force: true })
      if (reserve > 0 && freeBytes() > low + 2 * reserve) await fill(file, reserve)
    },
  }
}

/**
 * While nothing can be stored no failure can be put on record either: the log says it at once. The row is tried at each
 * look: the first that goes through ends the outage by itself, also in a daemon that has nothing else to write.
 */
function recordOutage(engine: Pick<Parts, 'store' | 'world' | 'log'>): void {
  const { store, world, log } = engine
  const outage = store.outage()
  if (outage === null || recorded.get(store) === outage.since) return
  // A ledger asks again by itself.
  if (store.kind === 'ledger' && outage.until === null) return
  const { since, until, error } = outage
  if (until === null && logged.get(store) !== since) {
    logged.set(store, since)
    log.error({ code: error.code }, error.message)
  }
  const message = `${error.message}, for ${formatDurationShort((until ?? world.clock.now()) - since)}; it can be written again`
  const failure = { id: `outage-${since}`, source: 'store', code: error.code, message }
  store
    .commit(() => recordFailure(engine, failure))
    .then(
      () => recorded.set(store, since),
      () => {},
    )
}

/** Of each store the outage that the log has, and the one that is on record: when it began. */
const [logged, recorded] = [new WeakMap<object, number>(), new WeakMap<object, number>()]

/** Written out: a file with holes would hold no room. */
async function fill(file: string, bytes: number): Promise<void> {
  const handle = await open(`${file}.part`, 'w', 0o600)
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES, 'tdf keeps this room for its state; ')
    for (let at = 0; at < bytes; at += chunk.length) await handle.write(chunk, 0, Math.min(chunk.length, bytes - at))
  } finally {
    await handle.close()
  }
  await publishFile(`${file}.part`, file)
}

/** In the largest unit that leaves a figure before the point. */
function formatRoom(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const index = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${(bytes / 1024 ** index).toFixed(index > 1 ? 1 : 0)} ${units[index]}`
}
