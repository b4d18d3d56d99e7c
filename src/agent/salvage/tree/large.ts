/**
 * Files in Git LFS that an agent made: what is not committed is saved as the pointer that git-lfs would have made of it, and the
 * content of new pointers goes beside the result. Nothing of git-lfs runs for it: a pointer is three lines, and each content is
 * hashed as it is copied.
 */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { largeOf } from '../../../core/source.ts'
import { blobsOf, LARGE_BYTES_MAX, LARGE_COUNT_MAX, nameLarge, objectPath } from '../../../platform/objects/large.ts'
import {
  mayBePointer,
  type Pointer,
  pointerIn,
  pointersAmong,
  pointerText,
} from '../../../platform/objects/pointers.ts'
import type { BytePath } from '../listing.ts'
import { type Boundary, type GitFolder, isPlainFolder, openInside, readInside, statOf } from '../untrusted.ts'
import type { View } from '../view.ts'
import type { LeaveOut } from './left-out.ts'
import { absolute, type Candidate, type ScanContext, type TreeScan } from './scan.ts'
import { filtersOf, LFS } from './select.ts'

/** The content of one salvage, as files of ours that are called by their sha256. */
export interface LargeStore {
  folder: string
  /** sha256 to file. */
  held: Map<string, string>
  copies: number
}

export const openLargeStore = (folder: string): LargeStore => ({ folder, held: new Map(), copies: 0 })

/**
 * Marks the files that are Git LFS's by their attributes, and takes out of the scan what is as the index has it: only its times
 * had changed. A file that is a pointer already, or empty, is saved as it is.
 */
export async function markLarge(context: ScanContext, scan: TreeScan): Promise<void> {
  const { view } = context
  const filters = await filtersOf(context, scan)
  const large = new Set([...filters].flatMap(([path, filter]) => (filter === LFS ? [path] : [])))
  if (large.size > 0) {
    const known = new Map(scan.entries.map(({ path, oid }) => [path, oid]))
    const files: Candidate[] = []
    for (const file of scan.files) {
      const pointer = large.has(file.path) ? await pointerTo(view.boundary, absolute(scan, file.path)) : null
      if (pointer === null) files.push(file)
      else if (known.get(file.path) !== blobId(pointerText(pointer), view.oidLength)) files.push({ ...file, pointer })
    }
    scan.files = files
  }
  for (const { scan: inner } of scan.embedded) await markLarge(context, inner)
}

/** What git-lfs would make of a file; null for what it would leave as it is, and for what cannot be read. */
async function pointerTo(boundary: Boundary, path: Buffer): Promise<Pointer | null> {
  const size = statOf(path)?.size ?? 0
  if (size === 0) return null
  if (mayBePointer(size) && pointerIn(readInside(boundary, path, size) ?? '') !== null) return null
  return hashed(boundary, path, null)
}

/** As git names a blob (gitformat-pack(5)). */
const blobId = (text: string, idLength: number) =>
  createHash(idLength === 64 ? 'sha256' : 'sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex')

/**
 * Takes the content of marked files in, and answers their pointers as entries of an index, in the form of `update-index
 * --index-info`. What changed meanwhile has the pointer of what was copied.
 */
export async function storeLarge({ view }: ScanContext, scan: TreeScan, store: LargeStore): Promise<string[]> {
  const entries: { mode: string; path: BytePath; text: string }[] = []
  for (const file of scan.files.filter(({ pointer }) => pointer !== undefined)) {
    const path = absolute(scan, file.path)
    const content = await hashed(view.boundary, path, store)
    const mode = ((statOf(path)?.mode ?? 0) & 0o100) === 0 ? '100644' : '100755'
    if (content !== null) entries.push({ mode, path: file.path, text: pointerText(content) })
  }
  if (entries.length === 0) return []
  const texts = entries.map(({ text }, at) => {
    const file = join(store.folder, `pointer-${at}`)
    writeFileSync(file, text)
    return `${file}\n`
  })
  const made = await view.must(['hash-object', '-w', '--no-filters', '--stdin-paths'], { input: texts.join('') })
  const blobs = made.split('\n')
  return entries.map(({ mode, path }, at) => `${mode} ${blobs[at]}\t${path}`)
}

/** The hash of a file of the agent's, which is copied meanwhile where there is a store; null when it cannot be read. */
async function hashed(boundary: Boundary, path: string | Buffer, store: LargeStore | null): Promise<Pointer | null> {
  const file = openInside(boundary, path)
  if (file === null) return null
  const hash = createHash('sha256')
  let bytes = 0
  const count = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length
      hash.update(chunk)
      yield chunk
    }
  }
  try {
    if (store !== null) mkdirSync(store.folder, { recursive: true, mode: 0o700 })
    const copy = store === null ? null : join(store.folder, `content-${store.copies++}`)
    const content = createReadStream('', { fd: file, autoClose: false, end: LARGE_BYTES_MAX })
    await pipeline(content, count, copy === null ? nowhere() : createWriteStream(copy))
    const sha256 = hash.digest('hex')
    if (copy !== null) store?.held.set(sha256, copy)
    return { sha256, bytes }
  } finally {
    closeSync(file)
  }
}

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() })

const REASON = 'its content in Git LFS stayed behind: the result has its pointer'
const DAMAGED = 'its content in Git LFS is damaged: the result has its pointer'

/** Takes in what new commits point to and the agent's own store of git-lfs has; what it has not was not made here. */
export async function takeCommitted(
  {
    view,
    leaveOut,
    baseCommit,
    large: store,
  }: { view: View; leaveOut: LeaveOut; baseCommit: string; large: LargeStore },
  { shared }: GitFolder,
  tips: readonly string[],
): Promise<void> {
  const objects = join(shared, 'lfs', 'objects')
  if (!isPlainFolder(objects)) return
  const paths = await newBlobs(view, tips, baseCommit)
  let bytesLeft = LARGE_BYTES_MAX
  for (const { blob, sha256, bytes } of await pointersAmong(view.run, paths.keys())) {
    const leave = (reason: string) => leaveOut(paths.get(blob) ?? '', 'filter', { reason, bytes })
    const source = objectPath(objects, sha256)
    const size = statOf(source)?.size
    if (size === undefined || store.held.has(sha256)) continue
    if (size !== bytes) leave(DAMAGED)
    else if (bytes > bytesLeft || store.held.size >= LARGE_COUNT_MAX) leave(REASON)
    else {
      bytesLeft -= bytes
      const came = await hashed(view.boundary, source, store)
      if (came?.sha256 === sha256) continue
      if (came !== null) store.held.delete(came.sha256)
      leave(DAMAGED)
    }
  }
}

/** Small ones that the tips reach and the base does not, with a path that each has. */
async function newBlobs(view: View, tips: readonly string[], baseCommit: string): Promise<Map<string, BytePath>> {
  const input = [...tips, `^${baseCommit}`].map(line => `${line}\n`).join('')
  const listed = await view.must(['rev-list', '--objects', '--stdin'], { input })
  const named = listed.split('\n').flatMap((line): [string, BytePath][] => {
    const space = line.indexOf(' ')
    return space < 0 ? [] : [[line.slice(0, space), line.slice(space + 1)]]
  })
  const sizes = await view.must(['cat-file', '--batch-check'], { input: named.map(([oid]) => `${oid}\n`).join('') })
  const small = new Set(
    [...sizes.matchAll(/^([0-9a-f]+) blob (\d+)$/gm)].flatMap(([, oid = '', size]) =>
      mayBePointer(Number(size)) ? [oid] : [],
    ),
  )
  return new Map(named.filter(([oid]) => small.has(oid)))
}

/** The commit that names all that was taken in, under the ref that stands for it beside a result; nothing where there is none. */
export async function nameContent(
  { view, large: { held } }: { view: View; large: LargeStore },
  ref: string,
  dateMs: number,
): Promise<[ref: string, commit: string][]> {
  if (held.size === 0) return []
  const blobs = await blobsOf(view.run, held, true)
  return [[largeOf(ref), await nameLarge(view.run, blobs, dateMs)]]
}
