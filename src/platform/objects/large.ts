/**
 * Files in Git LFS on their way between repositories: their content as blobs of git, called by their sha256 in the tree of one
 * commit. Any bundle holds them so, what the other side has is not sent again, and an upload that breaks off goes on. Each
 * is hashed anew where it is taken out.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync, openSync } from 'node:fs'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TdfError } from '../../core/errors.ts'
import { LARGE_REFS } from '../../core/source.ts'
import { moveDurable, underUmask } from '../files.ts'
import { gitOutput } from '../git.ts'
import { must, type Pointer, type RunGit } from './pointers.ts'

/** Of one commit or result: more of them stay behind. */
export const LARGE_COUNT_MAX = 10_000
export const LARGE_BYTES_MAX = 8 * 1024 ** 3

/** Those that fit, in their order, and how many do not. */
export function withinBounds<P extends Pointer>(pointers: readonly P[]): { taken: P[]; over: number } {
  let left = LARGE_BYTES_MAX
  const taken = pointers.slice(0, LARGE_COUNT_MAX).filter(({ bytes }) => {
    if (bytes > left) return false
    left -= bytes
    return true
  })
  return { taken, over: pointers.length - taken.length }
}

/** The commit that names blobs by the sha256 of their content. The same ones on the same date give the same id. */
export async function nameLarge(git: RunGit, blobs: ReadonlyMap<string, string>, dateMs: number): Promise<string> {
  const entries = [...blobs].sort(([one], [other]) => (one < other ? -1 : 1))
  const input = entries.map(([sha256, blob]) => `100644 blob ${blob}\t${sha256}\n`).join('')
  const tree = (await must(git, ['mktree', '--missing'], input)).trim()
  const date = `@${Math.floor(dateMs / 1000)} +0000`
  const [name, email] = ['tdf', 'tdf@localhost']
  const env = {
    ...{ GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_AUTHOR_DATE: date },
    ...{ GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email, GIT_COMMITTER_DATE: date },
  }
  const made = await git(['commit-tree', tree, '-m', MESSAGE], { env })
  return gitOutput('commit-tree', made, broken).trim()
}

const MESSAGE = 'Files in Git LFS'

/**
 * The trees of those among `known` that are such commits, where one is to be sent: git leaves out what is before a commit that
 * is known, and not what is in its own tree.
 */
export async function treesOfLarge(git: RunGit, names: Iterable<string>, known: readonly string[]): Promise<string[]> {
  if (known.length === 0 || ![...names].some(name => name.startsWith(LARGE_REFS))) return []
  const told = await must(git, ['log', '--no-walk', '--stdin', '--format=%T %s'], `${known.join('\n')}\n`)
  return told.split('\n').flatMap(line => (line.endsWith(` ${MESSAGE}`) ? [line.split(' ')[0] ?? ''] : []))
}

/** When a commit was made, Unix ms. */
export async function dateOf(git: RunGit, commit: string): Promise<number> {
  return Number(await must(git, ['show', '--no-patch', '--format=%ct', commit])) * 1000
}

export interface LargeBlob extends Pointer {
  blob: string
}

/** What such a commit names: unproven. Throws RESULT_BROKEN when it is none, or holds more than may be. */
export async function largeIn(git: RunGit, commit: string): Promise<LargeBlob[]> {
  const listed = await must(git, ['ls-tree', '-l', '-z', '--full-tree', commit])
  const rows = listed.split('\0').filter(row => row !== '')
  const found = rows.map(row => {
    const [, blob, bytes, sha256] = /^100644 blob ([0-9a-f]+) +(\d+)\t([0-9a-f]{64})$/.exec(row) ?? []
    if (blob === undefined || sha256 === undefined) throw broken('an entry is no file of Git LFS')
    return { blob, sha256, bytes: Number(bytes) }
  })
  if (withinBounds(found).over > 0) throw broken('there are too many of them, or they are too large')
  return found
}

export interface Unpacking {
  /** A file of ours, which is written and goes. */
  scratch: string
  /** The folder `lfs/objects` of a repository; null: they are only proved. */
  to: string | null
  umask?: number
}

/** Takes the content of each out as a file, once its hash is proved. Answers how many. Throws RESULT_BROKEN. */
export async function unpackLarge(
  git: RunGit,
  large: readonly LargeBlob[],
  { scratch, to, umask }: Unpacking,
): Promise<number> {
  if (large.length === 0) return 0
  try {
    const input = large.map(({ blob }) => `${blob}\n`).join('')
    const flags = ['-c', 'core.bigFileThreshold=16m']
    gitOutput('cat-file', await git([...flags, 'cat-file', '--batch'], { input, outputFile: scratch }), broken)
    const file = await open(scratch, 'r')
    try {
      let at = 0
      for (const one of large) at = await takeOut({ file, scratch, at }, one, to, umask)
    } finally {
      await file.close()
    }
    return large.length
  } finally {
    await rm(scratch, { force: true })
  }
}

/** Where a repository with git-lfs has an object. */
export const objectPath = (objects: string, sha256: string) =>
  path.join(objects, sha256.slice(0, 2), sha256.slice(2, 4), sha256)

/** One of the batch, which begins there. Answers where the next one does. */
async function takeOut(
  { file, scratch, at }: { file: FileHandle; scratch: string; at: number },
  { blob, sha256, bytes }: LargeBlob,
  to: string | null,
  umask: number | undefined,
): Promise<number> {
  const header = `${blob} blob ${bytes}\n`
  const { buffer } = await file.read(Buffer.alloc(header.length), 0, header.length, at)
  if (buffer.toString('latin1') !== header) throw broken(`the blob of ${sha256} is not here`)
  const start = at + header.length
  const end = start + bytes
  const content = () => (bytes === 0 ? [] : createReadStream(scratch, { start, end: end - 1 }))
  const hash = createHash('sha256')
  for await (const chunk of content()) hash.update(chunk)
  if (hash.digest('hex') !== sha256) throw broken(`the content of ${sha256} has another hash`)
  const target = to === null ? null : objectPath(to, sha256)
  if (target !== null && (await sizeOf(target)) !== bytes) {
    const fresh = `${target}.tdf`
    const output = underUmask(umask, () => {
      mkdirSync(path.dirname(target), { recursive: true })
      return openSync(fresh, 'w')
    })
    await pipeline(content(), createWriteStream(fresh, { fd: output }))
    moveDurable(fresh, target)
  }
  return end + 1
}

const sizeOf = (file: string) =>
  stat(file).then(
    ({ size }) => size,
    () => null,
  )

const broken = (why: string) => new TdfError('RESULT_BROKEN', `files in Git LFS were not taken: ${why}`)

/** The files of objects in a store of git-lfs, by sha256. */
export const filesIn = (objects: string, hashes: readonly string[]) =>
  new Map(hashes.map(sha256 => [sha256, objectPath(objects, sha256)]))

/** Makes blobs of files, which come by their sha256; `write` false: only their ids. Answers sha256 to blob. */
export async function blobsOf(
  git: RunGit,
  files: ReadonlyMap<string, string>,
  write: boolean,
): Promise<Map<string, string>> {
  if (files.size === 0) return new Map()
  const flags = ['-c', 'core.looseCompression=1', '-c', 'core.bigFileThreshold=16m']
  const input = [...files.values()].map(file => `${file}\n`).join('')
  const args = [...flags, 'hash-object', ...(write ? ['-w'] : []), '--no-filters', '--stdin-paths']
  const made = gitOutput('hash-object', await git(args, { input }), broken).split('\n')
  return new Map([...files.keys()].map((sha256, at) => [sha256, made[at] ?? '']))
}
