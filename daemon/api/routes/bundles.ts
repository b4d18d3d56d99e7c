/** Uploads of local repositories: by hash, whole or not at all. */
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Hono } from 'hono'
import { TdfError } from '../../../src/core/errors.ts'
import { publishFile } from '../../../src/platform/files.ts'
import { isSafeRef } from '../../../src/platform/git.ts'
import { BUNDLE_BYTES_MAX } from '../../../src/protocol/shapes.ts'
import { addBundle, findBundle } from '../../../src/store/tables/bundles.ts'
import type { RunningEngine } from '../../build.ts'
import type { Control } from '../control-parts.ts'
import { assertRoom } from '../guard.ts'

const SHA256 = /^[0-9a-f]{64}$/
const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/

export function bundleRoutes(engine: RunningEngine, { stateDir }: Control): Hono {
  const { store, world } = engine
  const app = new Hono()

  /** A bundle of this commit that is here already spares the CLI the making of another. */
  app.get('/bundles', c => {
    const commit = c.req.query('commit') ?? ''
    const bundle = COMMIT.test(commit) ? findBundle(store.sql, commit, c.req.query('ref') ?? '') : undefined
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
    const bytes = await take(c.req.raw.body, sha256, stateDir, engine.bundleFile(sha256))
    await store.commit(() => addBundle(store.sql, { sha256, bytes, commit, ref }, world.clock.now()))
    return c.json({ sha256, bytes, commit }, 201)
  })
  return app
}

async function take(body: ReadableStream | null, sha256: string, stateDir: string, target: string): Promise<number> {
  if (!body) throw new TdfError('BAD_REQUEST', 'body: it is empty')
  const folder = path.join(stateDir, 'bundles')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const part = `${target}.${process.hrtime.bigint()}.part`
  const hash = createHash('sha256')
  let bytes = 0
  try {
    // The two declarations of a web stream differ in what this never touches.
    const source = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
    const counted = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        bytes += chunk.length
        if (bytes > BUNDLE_BYTES_MAX) throw new TdfError('TOO_LARGE', `a bundle may have ${BUNDLE_BYTES_MAX} bytes`)
        hash.update(chunk)
        yield chunk
      }
    }
    await pipeline(source, counted, createWriteStream(part, { mode: 0o600 }))
    if (hash.digest('hex') !== sha256) throw new TdfError('BUNDLE_MISMATCH', 'the bundle does not match its hash')
    await publishFile(part, target)
    return bytes
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
