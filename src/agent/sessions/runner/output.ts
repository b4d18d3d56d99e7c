/**
 * The log of a session, bounded: up to the limit everything is kept, beyond it only the last 64 KiB, which are written
 * at the end behind one line that says so. Memory stays flat however much comes.
 */
import { appendFile, type FileHandle, open } from 'node:fs/promises'
import type { World } from '../../../platform/world.ts'
import { LOG_TAIL_BYTES } from '../../../protocol/shapes.ts'

export interface OutputLog {
  write(chunk: Buffer): Promise<void>
  finish(): Promise<void>
}

const TOUCH_MS = 1_000

export async function openOutput(world: World, path: string, bytesMax: number, times: Times): Promise<OutputLog> {
  const file = await open(path, 'a', 0o600)
  let room = bytesMax
  let tail: Tail | null = null
  let isMarked = false
  let written = 0
  let touchedMs = Number.NEGATIVE_INFINITY
  const mark = async () => {
    if (isMarked) return
    isMarked = true
    const line = Buffer.from(markerLine(bytesMax))
    written += line.length
    await append(file, line)
  }
  /** Output that is dropped is output all the same: who watches for silence looks at the file's time. */
  const touch = async () => {
    if (world.clock.mono() - touchedMs < TOUCH_MS) return
    touchedMs = world.clock.mono()
    const now = new Date(world.clock.now())
    await file.utimes(now, now).catch(() => {})
  }
  return {
    write: async chunk => {
      if (tail) {
        tail.push(chunk)
        return touch()
      }
      const kept = chunk.subarray(0, room)
      room -= kept.length
      const left = chunk.subarray(kept.length)
      // Before we wait: stdout and stderr come here side by side.
      if (left.length > 0) tail = openTail(LOG_TAIL_BYTES, left)
      const place = written
      written += kept.length
      if (kept.length > 0) await times.mark(place)
      if (!(await append(file, kept))) tail ??= openTail(LOG_TAIL_BYTES, kept)
      if (tail) await mark()
    },
    finish: async () => {
      if (tail) {
        await times.mark(written)
        await append(file, tail.bytes())
      }
      await file.sync().catch(() => {})
      await file.close()
    },
  }
}

function markerLine(bytesMax: number): string {
  return `\n[tdf: output beyond ${bytesMax} bytes is left out here; its last ${LOG_TAIL_BYTES} bytes follow]\n`
}

interface Tail {
  push(chunk: Buffer): void
  bytes(): Buffer
}

/** The last bytes of everything that was pushed, in memory of one size. */
function openTail(bytesMax: number, first: Buffer): Tail {
  const memory = Buffer.alloc(bytesMax)
  let size = 0
  const push = (chunk: Buffer) => {
    const fresh = chunk.subarray(-bytesMax)
    const stays = Math.min(size, bytesMax - fresh.length)
    memory.copyWithin(0, size - stays, size)
    fresh.copy(memory, stays)
    size = stays + fresh.length
  }
  push(first)
  return { push, bytes: () => memory.subarray(0, size) }
}

/** False when the disk is full: the command goes on, what it says is dropped but for its end. */
async function append(file: FileHandle, chunk: Buffer): Promise<boolean> {
  try {
    await file.appendFile(chunk)
    return true
  } catch {
    return false
  }
}

/** When which byte of a log was written: a line `MS OFFSET` now and then, so that a log can be read from a time on. */

/** Twice a second for nearly three hours, then every ten seconds: all of it is less than a chunk of a log. */
const OFTEN = { count: 20_000, everyMs: 500 }
const SELDOM = { count: 40_000, everyMs: 10_000 }

export interface Times {
  /** Called for all that is written, with the place of its first byte. Never throws: a log without times is a log. */
  mark(offset: number): Promise<void>
}

export function openTimes(
  world: World,
  path: string,
  [often, seldom]: readonly [typeof OFTEN, typeof OFTEN] = [OFTEN, SELDOM],
): Times {
  let count = 0
  let markedMs = Number.NEGATIVE_INFINITY
  return {
    mark: async offset => {
      const now = world.clock.mono()
      const { everyMs } = count < often.count ? often : seldom
      if (count >= seldom.count || now - markedMs < everyMs) return
      count += 1
      markedMs = now
      await appendFile(path, `${world.clock.now()} ${offset}\n`, { mode: 0o600 }).catch(() => {})
    },
  }
}
