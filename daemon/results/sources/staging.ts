/**
 * Uploads under way: each is a file that grows by what comes in, so that one whose connection broke, or whose daemon was
 * restarted, goes on where it stands.
 */
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TdfError } from '../../../src/core/errors.ts'
import { flush, hashFile } from '../../../src/platform/files.ts'
import { BUNDLE_BYTES_MAX } from '../../../src/protocol/shapes.ts'

export interface Staging {
  /** How many bytes of an upload are here, 0 of one that is not known. A connection that still brings some is ended. */
  bytesOf(id: string): Promise<number>
  /** Adds what comes, and answers how many are here then. Throws WRONG_STATE when `offset` is another place than its end. */
  append(id: string, offset: number, body: Readable): Promise<number>
  /** The file of an upload that is all here. Throws BUNDLE_MISMATCH when its hash is another. */
  proved(id: string, sha256: string): Promise<string>
}

/** The hash of what came in so far; without one, as after a restart, the file is read. */
interface Progress {
  hash: Hash
  bytes: number
}

interface Writer {
  abort: AbortController
  done: Promise<void>
}

const KNOWN_MAX = 100
/** What came in while the disk was written to goes to it in one call. */
const WRITTEN_BYTES = 1024 * 1024
const FLUSHED_BYTES = 8 * 1024 * 1024

export function createStaging(folder: string): Staging {
  const known = new Map<string, Progress>()
  const writers = new Map<string, Writer>()
  const fileOf = (id: string) => path.join(folder, `${id}.part`)
  const sizeOf = async (id: string) => (await stat(fileOf(id)).catch(() => ({ size: 0 }))).size

  async function endWriter(id: string): Promise<void> {
    const writer = writers.get(id)
    writer?.abort.abort(new Error('the upload goes on by another connection'))
    await writer?.done
  }

  /** Bounded: of uploads that were given up nobody takes it away. */
  function progressAt(id: string, offset: number): Progress | undefined {
    const progress = offset === 0 ? { hash: createHash('sha256'), bytes: 0 } : known.get(id)
    known.delete(id)
    if (progress?.bytes !== offset) return undefined
    known.set(id, progress)
    const [oldest] = known.keys()
    if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest)
    return progress
  }

  return {
    async bytesOf(id) {
      await endWriter(id)
      return sizeOf(id)
    },

    async append(id, offset, body) {
      await endWriter(id)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const bytes = await sizeOf(id)
      if (bytes !== offset) throw new TdfError('WRONG_STATE', `the upload stands at ${bytes} bytes, not at ${offset}`)
      const abort = new AbortController()
      const written = write(fileOf(id), { offset, progress: progressAt(id, offset) }, body, abort.signal)
      const done = written.catch(() => {}).finally(() => writers.delete(id))
      writers.set(id, { abort, done })
      await written
      return sizeOf(id)
    },

    async proved(id, sha256) {
      await endWriter(id)
      const file = fileOf(id)
      const progress = known.get(id)
      known.delete(id)
      const bytes = await sizeOf(id)
      const digest = progress && progress.bytes === bytes ? progress.hash.digest('hex') : await hashFile(file)
      if (digest === sha256) return file
      await rm(file, { force: true })
      throw new TdfError('BUNDLE_MISMATCH', 'the bundle does not match its hash')
    },
  }
}

interface Place {
  offset: number
  progress: Progress | undefined
}

/** Adds what comes to the file; the hash goes along, and so does the disk, so that the end of the upload waits for little. */
async function write(file: string, { offset, progress }: Place, body: Readable, signal: AbortSignal): Promise<void> {
  let bytes = offset
  let flushed = { bytes, isOver: true }
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > BUNDLE_BYTES_MAX) throw new TdfError('TOO_LARGE', `a bundle may have ${BUNDLE_BYTES_MAX} bytes`)
      yield chunk
      progress?.hash.update(chunk)
      if (progress) progress.bytes = bytes
      if (bytes - flushed.bytes > FLUSHED_BYTES && flushed.isOver) flushed = flushing(file, bytes)
    }
  }
  const target = createWriteStream(file, { flags: 'a', mode: 0o600, highWaterMark: WRITTEN_BYTES })
  // A write that was under way when the connection broke is in the file before anybody asks how long it is.
  await pipeline(body, counted, target, { signal }).finally(() => target.closed || once(target, 'close'))
}

/** What fails here fails again when the whole file is flushed. */
function flushing(file: string, bytes: number): { bytes: number; isOver: boolean } {
  const state = { bytes, isOver: false }
  const end = () => {
    state.isOver = true
  }
  flush(file).then(end, end)
  return state
}
