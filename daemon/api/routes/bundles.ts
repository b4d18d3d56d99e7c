/** Uploads of local repositories: in one piece, or with what is new alone and in as many pieces as the connection needs. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Context, Hono } from 'hono'
import { TdfError } from '../../../src/core/errors.ts'
import { publishFile, streamInto } from '../../../src/platform/files.ts'
import { isSafeRef } from '../../../src/platform/git.ts'
import { BUNDLE_BYTES_MAX, parseBody } from '../../../src/protocol/shapes.ts'
import { bundleOffer, type UploadState, uploadEnd } from '../../../src/protocol/uploads.ts'
import { addBundle, findBundle, readBundle } from '../../../src/store/tables/bundles.ts'
import type { RunningEngine } from '../../build.ts'
import { createStaging } from '../../results/sources/staging.ts'
import type { Control } from '../control-parts.ts'
import { assertRoom, jsonBody, numberOf } from '../guard.ts'

const SHA256 = /^[0-9a-f]{64}$/
const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/

const UPLOAD = /^[0-9a-f]{32}$/

export function bundleRoutes(engine: RunningEngine, { stateDir, uploads }: Control): Hono {
  const { store, world } = engine
  const app = new Hono()
  const staging = createStaging(path.join(stateDir, 'uploads'))

  /** What of a source is here already. */
  app.post('/bundles', async c => {
    assertRoom(engine)
    return c.json(await uploads.offer(parseBody(bundleOffer, await jsonBody(c))))
  })

  app.get('/uploads/:id', async c => c.json({ bytes: await staging.bytesOf(uploadId(c)) } satisfies UploadState))

  app.put('/uploads/:id', async c => {
    assertRoom(engine)
    const { offset = 0 } = numberOf(c, 'offset', 'offset')
    const id = uploadId(c)
    return c.json({ bytes: await staging.append(id, offset, bodyOf(c)) } satisfies UploadState)
  })

  /** Its end; the same again is answered as before. */
  app.post('/uploads/:id', async c => {
    const upload = parseBody(uploadEnd, await jsonBody(c))
    const id = uploadId(c)
    if ((await staging.bytesOf(id)) > 0) {
      return c.json(await uploads.take(upload, await staging.proved(id, upload.sha256)), 201)
    }
    const row = readBundle(store.sql, upload.sha256)
    if (row) return c.json({ sha256: row.sha256, bytes: row.bytes }, 201)
    // It got its name, and the power failed before that was written down.
    const file = engine.bundleFile(upload.sha256)
    await engine.results.files.bring(file)
    if (existsSync(file)) return c.json(await uploads.take(upload, file), 201)
    throw new TdfError('NOT_FOUND', 'there is no such upload')
  })

  /** A bundle of this commit that is here already spares the CLI the making of another. */
  app.get('/bundles', async c => {
    const commit = c.req.query('commit') ?? ''
    const bundle = COMMIT.test(commit) ? findBundle(store.sql, commit, c.req.query('ref') ?? '') : undefined
    if (bundle) await engine.results.files.bring(engine.bundleFile(bundle.sha256))
    if (bundle && existsSync(engine.bundleFile(bundle.sha256))) return c.json(bundle)
    throw new TdfError('NOT_FOUND', `there is no bundle of commit ${commit}`)
  })

  app.put('/bundles/:sha', async c => {
    const sha256 = c.req.param('sha')
    const commit = c.req.query('commit') ?? ''
    const ref = c.req.query('ref') ?? ''
    if (!SHA256.test(sha256) || !COMMIT.test(commit) || !isSafeRef(ref)) {
      throw new TdfError('BAD_REQUEST', 'a hash, a commit and a ref are wanted')
    }
    assertRoom(engine)
    const bytes = await take(bodyOf(c), sha256, stateDir, engine.bundleFile(sha256))
    await engine.results.files.keep(engine.bundleFile(sha256))
    await store.answered(() => addBundle(store.sql, { sha256, bytes, commit, ref, source: null }, world.clock.now()))
    return c.json({ sha256, bytes, commit }, 201)
  })
  return app
}

function uploadId(c: Context): string {
  const id = c.req.param('id') ?? ''
  if (UPLOAD.test(id)) return id
  throw new TdfError('BAD_REQUEST', 'the id of an upload is 32 hex digits')
}

/**
 * As Node reads it from the connection: through a web stream the same bytes take twice the processor time. A request that came by
 * no connection has that alone.
 */
function bodyOf(c: Context): Readable {
  const incoming: IncomingMessage | undefined = c.env?.incoming
  if (incoming) return incoming
  const { body } = c.req.raw
  if (!body) throw new TdfError('BAD_REQUEST', 'body: it is empty')
  // The two declarations of a web stream differ in what this never touches.
  return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
}

async function take(source: Readable, sha256: string, stateDir: string, target: string): Promise<number> {
  const folder = path.join(stateDir, 'bundles')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const part = `${target}.${process.hrtime.bigint()}.part`
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const counted = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        bytes += chunk.length
        if (bytes > BUNDLE_BYTES_MAX) throw new TdfError('TOO_LARGE', `a bundle may have ${BUNDLE_BYTES_MAX} bytes`)
        hash.update(chunk)
        yield chunk
      }
    }
    await pipeline(source, counted, await streamInto(part))
    if (hash.digest('hex') !== sha256) throw new TdfError('BUNDLE_MISMATCH', 'the bundle does not match its hash')
    await publishFile(part, target)
    return bytes
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
