/**
 * Sources that the CLI uploads: what it need not send, and what is kept of what it sent. A bundle that is whole stays a file, which
 * nodes get as it is; one that builds on what is here already is taken into the repository of its source, from which a whole one
 * is made when a node needs it.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import type { SourceFacts, Task } from '../../../src/core/task.ts'
import { publishFile } from '../../../src/platform/files.ts'
import { isRepositoryUrl } from '../../../src/platform/git.ts'
import { bundleRefs } from '../../../src/platform/objects/bundle.ts'
import type { BundleOffer, OfferAnswer, UploadEnd, UploadedBundle } from '../../../src/protocol/uploads.ts'
import {
  addBundle,
  type BundleRow,
  findBundle,
  newestBundle,
  sourcesOfBundle,
} from '../../../src/store/tables/bundles.ts'
import type { Engine } from '../../services.ts'
import type { GitResults } from '../git-results.ts'
import type { Repository } from '../repository.ts'
import type { Sources } from '../results.ts'
import { type Held, heldRefs, isWhole, knownCommits, nameHeld, presentOf, takeIn } from './held.ts'
import { packCommit } from './pack.ts'
import { NOTHING } from './submodules.ts'

export interface Uploads extends Pick<Sources, 'whole' | 'keep'> {
  /** What is here already of a source. What is here as a whole counts as uploaded. */
  offer(offer: BundleOffer): Promise<OfferAnswer>
  /** Takes the file of an upload whose hash was proved. Throws BUNDLE_MISSING when what it builds on is not here. */
  take(upload: UploadEnd, file: string): Promise<UploadedBundle>
  /** Ends what goes on behind answers. */
  stop(): void
}

export interface UploadsParts {
  results: Pick<GitResults, 'open' | 'has' | 'files'>
  /** For what is being packed. */
  folder: string
}

interface Parts extends UploadsParts {
  engine: Engine
  /** The daemon stops. */
  signal: AbortSignal
}

type Place = Pick<BundleOffer, 'source' | 'commit'>

const PACK_TIMEOUT_MS = 600_000

export function createUploads(engine: () => Engine, given: UploadsParts): Uploads {
  const abort = new AbortController()
  const parts = (): Parts => ({ ...given, engine: engine(), signal: abort.signal })
  return {
    offer: offered => offer(parts(), offered),
    take: (upload, file) => take(parts(), upload, file),
    whole: (task, signal) => whole(parts(), task, signal),
    keep: bundle => keep(parts(), bundle),
    stop: () => abort.abort(new Error('the daemon stops')),
  }
}

const openFor = ({ results }: Parts, { source, commit }: Place) => results.open(source, commit.length)

async function hasFile({ engine, results }: Parts, sha256: string): Promise<boolean> {
  const file = engine.bundleFile(sha256)
  await results.files.bring(file)
  return existsSync(file)
}

async function remember({ engine: { store, world } }: Parts, row: BundleRow): Promise<UploadedBundle> {
  await store.answered(() => addBundle(store.sql, row, world.clock.now()))
  return { sha256: row.sha256, bytes: row.bytes }
}

/** What the file of a bundle holds, in the repository of its source. */
async function hold(parts: Parts, place: Place, sha256: string): Promise<void> {
  const repository = await openFor(parts, place)
  await repository.shared(sha256, async () => {
    const file = parts.engine.bundleFile(sha256)
    const refs = await namesIn(file)
    const held = await heldRefs(repository, sha256)
    // All of them: the daemon may have been killed between two.
    if ([...refs].every(([name, oid]) => held.get(name) === oid)) return
    if (!(await isWhole(repository, refs.values()))) await takeIn(repository, file, sha256, parts.signal)
    await nameHeld(repository, { sha256, commit: place.commit, refs })
  })
}

async function namesIn(file: string): Promise<Map<string, string>> {
  return new Map([...(await bundleRefs(file))].filter(([name]) => name.startsWith('refs/')))
}

/** False when it failed, which is in the log then. */
async function tryToHold(parts: Parts, place: Place, sha256: string): Promise<boolean> {
  try {
    await hold(parts, place, sha256)
    return true
  } catch (error) {
    const about = { source: place.source, err: asTdfError(error).message }
    if (!parts.signal.aborted) parts.engine.log.warn(about, 'an upload was not taken into the repository of its source')
    return false
  }
}

/** Also for folders of tasks that began from the same bundle: the row names the last one alone. */
async function keep(parts: Parts, { sha256, commit, source }: BundleRow): Promise<boolean> {
  if (!(await hasFile(parts, sha256))) return true
  const sources = new Set([...(source === null ? [] : [source]), ...sourcesOfBundle(parts.engine.store.sql, sha256)])
  for (const one of sources) {
    if (!isRepositoryUrl(one) && !(await tryToHold(parts, { source: one, commit }, sha256))) return false
  }
  return true
}

async function offer(parts: Parts, { source, commit, ref, refs, blobs = [] }: BundleOffer): Promise<OfferAnswer> {
  const { sql } = parts.engine.store
  const [row, newest] = [findBundle(sql, commit, ref), newestBundle(sql, source)]
  // Its repository is made, which the disk takes a while for, when there is something to put into it.
  if (!row && !newest && !(await parts.results.has(source, commit.length))) return { bundle: null, have: [] }
  const repository = await openFor(parts, { source, commit })
  const isThere = row && ((await hasFile(parts, row.sha256)) || (await heldRefs(repository, row.sha256)).size > 0)
  if (isThere) return { bundle: await remember(parts, { ...row, source }), have: [] }
  // It may be on its way there, or the daemon was restarted before it was.
  if (newest && (await hasFile(parts, newest.sha256))) {
    await tryToHold(parts, { source, commit: newest.commit }, newest.sha256)
  }
  const named = Object.entries(refs)
  if (!(await isWhole(repository, Object.values(refs)))) {
    const have = await knownCommits(repository)
    return { bundle: null, have, ...(blobs.length > 0 ? { haveBlobs: await presentOf(repository, blobs) } : {}) }
  }
  // Under a hash of its names, since there is no file.
  const sha256 = createHash('sha256')
    .update(JSON.stringify([source, ref, named]))
    .digest('hex')
  await nameHeld(repository, { sha256, commit, refs: new Map(named) })
  return { bundle: await remember(parts, { sha256, bytes: 0, commit, ref, source }), have: [] }
}

async function take(parts: Parts, upload: UploadEnd, file: string): Promise<UploadedBundle> {
  const { source, commit, ref, refs, sha256, isThin } = upload
  const row = { sha256, bytes: (await stat(file)).size, commit, ref, source }
  if (isThin) {
    const held = { sha256, commit, refs: new Map(Object.entries(refs)) }
    await takeThin(parts, await openFor(parts, row), file, held)
    const taken = await remember(parts, row)
    await rm(file, { force: true })
    return taken
  }
  const target = parts.engine.bundleFile(sha256)
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
  if (file !== target) await publishFile(file, target)
  await parts.results.files.keep(target)
  const taken = await remember(parts, row)
  // Behind the answer: salvage needs it there, and the next upload builds on it.
  void tryToHold(parts, row, sha256)
  return taken
}

async function takeThin({ signal }: Parts, repository: Repository, file: string, held: Held): Promise<void> {
  try {
    await takeIn(repository, file, held.sha256, signal)
    if (!(await isWhole(repository, held.refs.values()))) throw new Error('it does not hold all that it names')
  } catch (thrown) {
    await rm(file, { force: true })
    const why = asTdfError(thrown).message
    throw new TdfError('BUNDLE_MISSING', `what the upload builds on is not all here: ${why}`, { cause: thrown })
  }
  await nameHeld(repository, held)
}

async function whole(parts: Parts, { spec: { repo } }: Task, signal: AbortSignal): Promise<SourceFacts | null> {
  if (repo.kind !== 'bundle' || (await hasFile(parts, repo.sha256))) return null
  const { url: source, ref, baseCommit: commit, sha256 } = repo
  const repository = await openFor(parts, { source, commit })
  const held = await heldRefs(repository, sha256)
  const refs = held.size > 0 ? held : new Map([[ref, commit]])
  if (!(await isWhole(repository, refs.values()))) {
    throw new TdfError('BUNDLE_MISSING', `the upload of ${source} at ${commit} is not here any more`)
  }
  const key = refs.size > 1 ? `${ref}#${sha256}` : ref
  const { files } = parts.results
  const call = {
    folder: parts.folder,
    files,
    timeoutMs: PACK_TIMEOUT_MS,
    signal: AbortSignal.any([signal, parts.signal]),
  }
  const packed = await packCommit(parts.engine, repository, { source, commit, ref, refs, key }, NOTHING, call)
  await nameHeld(repository, { sha256: packed.sha256, commit, refs })
  return packed
}
