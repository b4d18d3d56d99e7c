/**
 * The log of a session, bounded: up to the limit everything is kept, beyond it only the last 64 KiB, which are written
 * at the end behind one line that says so. Memory stays flat however much comes.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { LOG_TAIL_BYTES } from '../../protocol/limits.ts'
import type { World } from '../../world.ts'
import type { Times } from './times.ts'

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
