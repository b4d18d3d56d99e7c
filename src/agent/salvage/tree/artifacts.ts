/** Files to keep beside a result: what globs name in the work tree, ignored or not, and all in the folder TDF_ARTIFACTS. */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Glob, matchesGlob, mayHold, parseGlob } from '../../../config/glob.ts'
import { ARTIFACTS_MAX } from '../../../core/saved.ts'
import { type BytePath, bytes } from '../listing.ts'
import { type Boundary, realInside } from '../untrusted.ts'
import type { LeaveOut } from './left-out.ts'

export interface ArtifactFile {
  /** In UTF-8; of one from the work tree, from its top. */
  path: string
  place: string
  size: number
  isInTree: boolean
}

export interface Places {
  /** Null when the work tree is gone. */
  tree: string | null
  /** What the commands found as TDF_ARTIFACTS. */
  folder: string
  boundary: Boundary
  globs: readonly string[]
  bytesMax: number
  leaveOut: LeaveOut
}

/** All folders and files that are looked at; beyond it something was made to take for ever. */
const ENTRIES_MAX = 500_000
/** What the names of all of them may take together. */
const NAMES_CHARS_MAX = 256 * 1024
const ALL = parseGlob('**')

/** The smallest ones where not all of them fit, the same each time; every other is named by `leaveOut`. */
export function findArtifacts(places: Places): ArtifactFile[] {
  const globs = places.globs.map(parseGlob)
  const inTree = places.tree === null || globs.length === 0 ? [] : walk(places, places.tree, globs, true)
  const found = new Map(inTree.map(file => [file.path, file]))
  for (const file of walk(places, places.folder, [ALL], false)) found.set(file.path, file)
  const all = [...found.values()].sort((one, other) => one.size - other.size || (one.path < other.path ? -1 : 1))
  let [bytesLeft, charsLeft] = [places.bytesMax, NAMES_CHARS_MAX]
  return all.filter(({ path, size }, at) => {
    const isMany = at >= ARTIFACTS_MAX || path.length > charsLeft
    if (!isMany && size <= bytesLeft) {
      bytesLeft -= size
      charsLeft -= path.length
      return true
    }
    const about = isMany ? { bytes: size, reason: TOO_MANY } : { bytes: size }
    places.leaveOut(latin1(path), 'artifact', about)
    return false
  })
}

const TOO_MANY = `more than ${ARTIFACTS_MAX} artifacts, or as many with long names, are not kept`

function walk({ boundary, leaveOut }: Places, top: string, globs: readonly Glob[], isInTree: boolean): ArtifactFile[] {
  const found: ArtifactFile[] = []
  let seen = 0
  const look = (within: BytePath) => {
    const entries = entriesOf(join(top, utf8(within)))
    // Those of the work tree are named, or saved, with all of it.
    if (entries === null && !isInTree && within !== '') leaveOut(within, 'artifact', { reason: UNREAD })
    for (const entry of entries ?? []) {
      const path = within + entry.name
      const name = utf8(path)
      if (entry.name === '.git') continue
      if (seen === ENTRIES_MAX) leaveOut(path, 'artifact', { reason: ENDLESS })
      if (seen++ >= ENTRIES_MAX) return
      if (entry.isDirectory() && globs.some(glob => mayHold(glob, name))) look(`${path}/`)
      if (entry.isDirectory() || !globs.some(glob => matchesGlob(glob, name))) continue
      const place = join(top, name)
      const size = sizeOf(boundary, place)
      if (!isNameForGit(path)) leaveOut(path, 'refused')
      else if (entry.isSymbolicLink() && size === null) leaveOut(path, 'special', { reason: LINK })
      else if (size === null) leaveOut(path, 'special')
      else found.push({ path: name, place, size, isInTree })
    }
  }
  look('')
  return found
}

const LINK = 'it is a link that leads to no file of the workspace'
const ENDLESS = `artifacts are looked for among ${ENTRIES_MAX} files and folders, and what follows was not looked at`
export const UNREAD = 'it could not be read'

/** Null when it cannot be listed. */
function entriesOf(folder: string) {
  try {
    // Bytes as characters: a name need not be UTF-8.
    return readdirSync(folder, { withFileTypes: true, encoding: 'latin1' as BufferEncoding })
  } catch {
    return null
  }
}

/** In bytes, of a plain file that is one of the workspace's; a link within it counts as what it leads to. */
function sizeOf(boundary: Boundary, place: string): number | null {
  try {
    const stat = statSync(place)
    return stat.isFile() && realInside(boundary, place) !== null ? stat.size : null
  } catch {
    return null
  }
}

/** Characters that some file systems pass over (git's utf8.c, "next_hfs_char"). */
const UNSEEN = /[\u200C-\u200F\u202A-\u202E\u206A-\u206F\uFEFF]/gu

/** git's check of objects refuses trees with a name that could stand for .git somewhere, and reads files such as .gitmodules. */
function isNameForGit(path: BytePath): boolean {
  const name = utf8(path)
  if (latin1(name) !== path || /\p{Cc}/u.test(name)) return false
  return name.split(/[/\\]/).every(part => !/^(?:\.git|gi.*~\d)/i.test(part.replaceAll(UNSEEN, '').trimStart()))
}

const CHUNK_BYTES = 1024 * 1024

/**
 * The bytes of a file, exactly as many as it had: what was cut off meanwhile is filled with zeros. `done` gets the hash of what was
 * given, or null when it could not be read any more or turned out to lie elsewhere.
 */
export function* contentOf(
  { place, size }: ArtifactFile,
  boundary: Boundary,
  done: (sha256: string | null) => void,
): Generator<Buffer> {
  const hash = createHash('sha256')
  const file = openInside(boundary, place)
  let left = size
  try {
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, CHUNK_BYTES))
      const count = file === null ? 0 : readSync(file, chunk, 0, chunk.length, size - left)
      const part = count > 0 ? chunk.subarray(0, count) : chunk
      hash.update(part)
      left -= part.length
      yield part
    }
    done(file === null ? null : hash.digest('hex'))
  } finally {
    if (file !== null) closeSync(file)
  }
}

/** What is opened may have become another file since it was looked at: where it is says the kernel (proc(5), fd). */
function openInside(boundary: Boundary, place: string): number | null {
  let file: number
  try {
    file = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return null
  }
  const isOurs = fstatSync(file).isFile() && realInside(boundary, readlinkSync(`/proc/self/fd/${file}`)) !== null
  if (isOurs) return file
  closeSync(file)
  return null
}

export const latin1 = (text: string): BytePath => Buffer.from(text).toString('latin1')
const utf8 = (path: BytePath) => bytes(path).toString('utf8')
