/**
 * The way of a bundle to the daemon: sent as it is packed, from a file, so that it goes on where it stands when the connection breaks
 * or the daemon is started again.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { type Client, isAway } from '../../../src/clients/control.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import type { UploadEnd, UploadedBundle, UploadState } from '../../../src/protocol/uploads.ts'
import { amountText } from '../../../src/text/progress/how-far.ts'
import type { Cli } from '../../cli/cli.ts'
import type { Activity } from '../../cli/progress/activity.ts'

/** Writes the rest of the bundle behind what is in this file. */
export type Pack = (file: string, signal: AbortSignal) => Promise<void>

export interface Sending {
  /** For the file. */
  folder: string
  activity: Activity
  end: Omit<UploadEnd, 'sha256'>
  /** What the bundle begins with. */
  head: string
  pack: Pack
}

/** How long nothing has to go forward before the upload is given up, in ms. */
const PATIENCE_MS = 120_000
const AGAIN_MS = 500
const GROWS_MS = 20
const CHUNK_BYTES = 128 * 1024
/** More than are ever on their way: one is read, one waits, one is being sent. New ones would not be collected for tens of megabytes. */
const CHUNKS = 8
const SILENCE_MS = 600_000

/** Throws what packing or the daemon says, DAEMON_UNREACHABLE when it does not come back. */
export async function sendUpload(cli: Cli, { folder, activity, end, head, pack }: Sending): Promise<UploadedBundle> {
  const { random } = realWorld()
  const file = path.join(folder, `${end.isThin ? 'new' : 'whole'}.bundle`)
  const id = random.bytes(16).toString('hex')
  const abort = new AbortController()
  writeFileSync(file, head)
  const growing = await grow(file, Buffer.byteLength(head), pack(file, abort.signal), activity)
  try {
    await patiently(activity, growing, async isAgain => {
      const offset = isAgain ? (await cli.client().call<UploadState>({ path: `/uploads/${id}` })).bytes : 0
      await put(cli.client(), id, offset, growing)
    })
    const json: UploadEnd = { ...end, sha256: growing.sha256() }
    const request = { method: 'POST', path: `/uploads/${id}`, json, timeoutMs: SILENCE_MS } as const
    // The daemon has all of it: the file goes meanwhile, which takes a while for one of a hundred megabytes.
    const removed = growing.close().then(() => rm(file))
    const [taken] = await Promise.all([
      patiently(activity, growing, () => cli.client().call<UploadedBundle>(request)),
      removed,
    ])
    return taken
  } finally {
    abort.abort()
    await growing.close()
  }
}

async function put(client: Client, id: string, offset: number, growing: Growing): Promise<void> {
  const body = Readable.from(growing.from(offset), { objectMode: true, highWaterMark: 1 })
  const path = `/uploads/${id}?offset=${offset}`
  await client.raw({ method: 'PUT', path, body, timeoutMs: SILENCE_MS })
}

/** Tries again while the daemon is away, as long as something went forward a while ago. */
async function patiently<T>(activity: Activity, growing: Growing, act: (isAgain: boolean) => Promise<T>): Promise<T> {
  const { clock } = realWorld()
  let [sent, movedAt] = [growing.sentBytes(), clock.mono()]
  for (let isAgain = false; ; isAgain = true) {
    try {
      return await act(isAgain)
    } catch (thrown) {
      growing.throwIfFailed()
      if (!isAway(thrown)) throw thrown
      if (growing.sentBytes() > sent) [sent, movedAt] = [growing.sentBytes(), clock.mono()]
      if (clock.mono() - movedAt > PATIENCE_MS) throw thrown
      activity.show(`${growing.text()}: waiting for the daemon to come back`)
      await sleep(clock, AGAIN_MS)
    }
  }
}

interface Growing {
  /** What is in the file from there on, until it is packed. */
  from(offset: number): AsyncGenerator<Buffer>
  /** How far its reading ever was. */
  sentBytes(): number
  /** `uploading 61 of 130 MB (47 %)`. */
  text(): string
  /** Of the file, when all of it was read. */
  sha256(): string
  /** Throws what packing threw. */
  throwIfFailed(): void
  close(): Promise<void>
}

/** A file that another process is writing; read with one buffer at a time. */
async function grow(file: string, headBytes: number, packing: Promise<void>, activity: Activity): Promise<Growing> {
  const { clock } = realWorld()
  const hash = createHash('sha256')
  let hashed = 0
  let total: number | null = null
  let failure: unknown
  const packed = packing.then(
    async () => {
      total = (await stat(file)).size
    },
    error => {
      failure = error
    },
  )
  const handle = await appears(file, headBytes, () => total !== null || failure !== undefined)
  const text = () => `uploading ${amountText(hashed, total)}`

  async function* from(offset: number): AsyncGenerator<Buffer> {
    const ring = Array.from({ length: CHUNKS }, () => Buffer.allocUnsafe(CHUNK_BYTES))
    let turn = 0
    for (let at = offset; ; ) {
      // Asked before it is read: what was written until then is found.
      const isPacked = total !== null
      const chunk = ring[turn % CHUNKS] ?? Buffer.allocUnsafe(CHUNK_BYTES)
      const bytesRead = handle === null ? 0 : (await handle.read(chunk, 0, CHUNK_BYTES, at)).bytesRead
      if (failure !== undefined) throw failure
      if (bytesRead === 0) {
        if (isPacked) return
        await sleep(clock, GROWS_MS)
        continue
      }
      const read = chunk.subarray(0, bytesRead)
      if (at + bytesRead > hashed) {
        hash.update(read.subarray(hashed - at))
        hashed = at + bytesRead
      }
      at += bytesRead
      turn += 1
      if (total !== null) activity.show(text())
      yield read
    }
  }

  return {
    from,
    text,
    sentBytes: () => hashed,
    sha256: () => hash.digest('hex'),
    throwIfFailed() {
      if (failure !== undefined) throw failure
    },
    async close() {
      await packed
      await handle?.close()
    },
  }
}

/** Waits for its first byte behind the head, so that no connection is open while nothing is there to send. Null when it never comes. */
async function appears(file: string, headBytes: number, isOver: () => boolean): Promise<FileHandle | null> {
  const { clock } = realWorld()
  for (;;) {
    const over = isOver()
    const size = await stat(file).then(
      found => found.size,
      () => 0,
    )
    if (size > headBytes) return open(file, 'r')
    if (over) return null
    await sleep(clock, GROWS_MS)
  }
}
