/**
 * The log of a session, bounded: up to the limit everything is kept, beyond it only the last 64 KiB, which are written
 * at the end behind one line that says so. Memory stays flat however much comes.
 */
import { type FileHandle, open } from 'node:fs/promises'
import type { World } from '../../world.ts'

export interface OutputLog {
  write(chunk: Buffer): Promise<void>
  finish(): Promise<void>
}

const TAIL_BYTES = 64 * 1024
const TOUCH_MS = 1_000

export async function openOutput(world: World, path: string, bytesMax: number): Promise<OutputLog> {
  const file = await open(path, 'a', 0o600)
  let room = bytesMax
  let tail: Buffer | null = null
  let touchedMs = Number.NEGATIVE_INFINITY
  return {
    write: async chunk => {
      if (tail === null) {
        const kept = chunk.subarray(0, room)
        const stored = await append(file, kept)
        room -= kept.length
        if (stored && kept.length === chunk.length) return
        tail = Buffer.alloc(0)
        await append(file, Buffer.from(markerLine(bytesMax)))
        tail = lastBytes(tail, chunk.subarray(kept.length))
        return
      }
      tail = lastBytes(tail, chunk)
      if (world.clock.mono() - touchedMs < TOUCH_MS) return
      touchedMs = world.clock.mono()
      // Output that is dropped is output all the same: who watches for silence looks at this time.
      const now = new Date(world.clock.now())
      await file.utimes(now, now).catch(() => {})
    },
    finish: async () => {
      if (tail) await append(file, tail)
      await file.sync().catch(() => {})
      await file.close()
    },
  }
}

function markerLine(bytesMax: number): string {
  return `\n[tdf: output beyond ${bytesMax} bytes is left out here; its last ${TAIL_BYTES} bytes follow]\n`
}

function lastBytes(tail: Buffer, chunk: Buffer): Buffer {
  if (chunk.length >= TAIL_BYTES) return Buffer.from(chunk.subarray(-TAIL_BYTES))
  return Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
}

/** False when the disk is full: the command goes on, what it says is dropped. */
async function append(file: FileHandle, chunk: Buffer): Promise<boolean> {
  try {
    await file.appendFile(chunk)
    return true
  } catch {
    return false
  }
}
