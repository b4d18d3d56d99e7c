/**
 * The content of files in Git LFS in the repository of a source: what uploads, fetches and results brought is looked for by its
 * hash, and what is not here is fetched from the server of the url, as the user that runs the daemon.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { largeOf, largeRef } from '../../../src/core/source.ts'
import { git, gitOutput, kindOfFailure, withoutPasswords } from '../../../src/platform/git.ts'
import {
  blobsOf,
  dateOf,
  filesIn,
  largeIn,
  nameLarge,
  objectPath,
  unpackLarge,
  withinBounds,
} from '../../../src/platform/objects/large.ts'
import { hasLfs, NO_PROGRAM, reasonOf, serverOf, serverSetting } from '../../../src/platform/objects/lfs.ts'
import { type PointerBlob, pointersOf, type RunGit } from '../../../src/platform/objects/pointers.ts'
import { gitProgress } from '../../../src/text/progress/how-far.ts'
import type { Repository } from '../repository.ts'
import type { Access } from './access.ts'

export interface Large {
  /** Of a bundle: one name, or none. */
  refs: ReadonlyMap<string, string>
  /** Why some of them are pointers in the workspace, as the end of a sentence; null where none is. */
  missing: string | null
}

export interface LargeCall {
  url: string
  /** What is left of the time for all of it, in ms. */
  leftMs(): number
  signal: AbortSignal
  /** Told what git-lfs does, in words. */
  onProgress(text: string): void
  /** For what is on its way. */
  folder: string
  /** With what a server is asked. */
  accessTo(server: string): Promise<Access>
}

/** Names in the daemon's own repositories. */
export const LARGE_NAMED = 'refs/tdf-base-large'
/** Every place where content is named; newest first, and no more of them are looked through. */
const PLACES = [LARGE_NAMED, 'refs/tdf-upload/*/tdf/large/*', 'refs/tdf/*/*-large', 'refs/tdf-checkpoint/*/*-large']
const PLACES_MAX = 200

/** Of a commit that is here. Without a call nothing is fetched. Throws SOURCE_UNAVAILABLE when its server does not answer. */
export async function largeFor(repository: Repository, commit: string, call: LargeCall | null): Promise<Large> {
  const run: RunGit = repository.may
  const pointers = await pointersOf(run, commit)
  if (pointers.length === 0) return { refs: new Map(), missing: null }
  const { taken, over } = withinBounds(pointers)
  const known = await knownBlobs(repository, new Set(taken.map(({ sha256 }) => sha256)))
  const wanted = taken.filter(({ sha256 }) => !known.has(sha256))
  const fetched = call && wanted.length > 0 ? await fetchLarge(repository, commit, wanted, call) : null
  for (const [sha256, blob] of fetched?.blobs ?? []) known.set(sha256, blob)
  const left = taken.filter(({ sha256 }) => !known.has(sha256)).length + over
  const why = fetched?.why ?? 'their content is not here'
  const missing = left === 0 ? null : `${left} of ${pointers.length} files in Git LFS are pointers: ${why}`
  if (known.size === 0) return { refs: new Map(), missing }
  const made = await nameLarge(run, known, await dateOf(run, commit))
  await repository.must(['update-ref', `${LARGE_NAMED}/${made}`, made])
  return { refs: new Map([[largeRef(made), made]]), missing }
}

/** By sha256. */
async function knownBlobs(repository: Repository, wanted: ReadonlySet<string>): Promise<Map<string, string>> {
  const order = ['--sort=-committerdate', `--count=${PLACES_MAX}`, '--format=%(objectname)']
  const listed = await repository.must(['for-each-ref', ...order, ...PLACES])
  const known = new Map<string, string>()
  for (const commit of new Set(listed.split('\n').filter(Boolean))) {
    if (known.size === wanted.size) break
    for (const { sha256, blob } of await largeIn(repository.may, commit))
      if (wanted.has(sha256)) known.set(sha256, blob)
  }
  return known
}

/** git-lfs(1): also where stderr is no terminal. */
const PROGRESS = { GIT_LFS_FORCE_PROGRESS: '1' }

interface Fetched {
  blobs: ReadonlyMap<string, string>
  why: string
}

/** What came of them; a server that has not all of them is no failure. */
async function fetchLarge(
  repository: Repository,
  commit: string,
  wanted: readonly PointerBlob[],
  { url, folder, accessTo, ...call }: LargeCall,
): Promise<Fetched> {
  const nothing = (why: string): Fetched => ({ blobs: new Map(), why })
  if (!(await hasLfs(repository.may))) return nothing(`${NO_PROGRAM} where the daemon runs`)
  const named = await serverOf(repository.may, commit)
  if (named === undefined) return nothing('.lfsconfig names a server that is not asked')
  const { env } = await accessTo(named ?? url)
  const [onlyThese, dateMs] = [new Map(wanted.map(({ sha256, blob }) => [sha256, blob])), 0]
  const pointers = await nameLarge(repository.may, onlyThese, dateMs)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const scratch = await mkdtemp(path.join(folder, 'large-'))
  try {
    const own = await borrowing(repository, scratch, pointers.length)
    call.onProgress(`fetching ${wanted.length} files in Git LFS`)
    const args = ['--git-dir', own, ...serverSetting(named), 'lfs', 'fetch', url, pointers]
    const ran = await git(args, {
      ...{ cwd: scratch, asOwner: true, ownGroup: true, timeoutMs: Math.max(1, Math.ceil(call.leftMs())) },
      ...{ env: { ...env, ...PROGRESS }, signal: call.signal, onStderr: text => tell(call, text) },
    })
    call.signal.throwIfAborted()
    const objects = path.join(own, 'lfs', 'objects')
    const came = wanted.flatMap(({ sha256 }) => (existsSync(objectPath(objects, sha256)) ? [sha256] : []))
    const why = reasonOf(ran)
    if (came.length < wanted.length && (ran.timedOut || kindOfFailure(ran.stderr) === 'passing')) {
      throw new TdfError('SOURCE_UNAVAILABLE', `files in Git LFS of ${withoutPasswords(url)} did not come: ${why}`)
    }
    return { blobs: await blobsOf(repository.may, filesIn(objects, came), true), why }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function tell({ onProgress }: Pick<LargeCall, 'onProgress'>, said: string): void {
  const text = gitProgress(said)
  if (text !== null) onProgress(text)
}

/** A repository with the objects of another and a store of git-lfs of its own, which goes with it. */
export async function borrowing(
  repository: Pick<Repository, 'dir'>,
  folder: string,
  idLength: number,
): Promise<string> {
  const own = path.join(folder, 'own.git')
  const format = `--object-format=${idLength === 64 ? 'sha256' : 'sha1'}`
  const failure = (message: string) => new TdfError('RESULT_BROKEN', message)
  gitOutput('init', await git(['init', '--quiet', '--bare', '--template=', format, own], { cwd: folder }), failure)
  const alternates = path.join(own, 'objects', 'info', 'alternates')
  await mkdir(path.dirname(alternates), { recursive: true })
  await writeFile(alternates, `${path.join(repository.dir, 'objects')}\n`)
  return own
}

/**
 * Lets in what a node sent under the name of a result, and answers what it names: what it says is the content of a file in Git LFS
 * has the hash that it is called by. Throws RESULT_BROKEN.
 */
export async function takeProved(
  { may, unpack }: Pick<Repository, 'may' | 'unpack'>,
  ref: string,
  file: string,
): Promise<ReadonlyMap<string, string>> {
  const came = await unpack(file)
  const commit = came.get(largeOf(ref))
  if (commit !== undefined) await unpackLarge(may, await largeIn(may, commit), { scratch: `${file}.large`, to: null })
  return came
}
