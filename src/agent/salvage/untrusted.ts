/**
 * Reading what the agent left, as files. Nothing is followed out of the work tree, nothing that is not a plain file is
 * opened (a fifo would hold us for ever), and no more is read than expected.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'

export interface Boundary {
  /** The real paths of the work tree, which the agent cannot move, and of those that are linked to it. */
  roots: readonly Buffer[]
}

export function boundaryOf(...workTrees: string[]): Boundary {
  return { roots: workTrees.map(tree => realpathSync(tree, 'buffer')) }
}

/** The real path when it lies within the boundary, else null. */
export function realInside(boundary: Boundary, path: string): string | null {
  return isInside(boundary, path) ? path : null
}

function isInside(boundary: Boundary, path: string | Buffer): boolean {
  try {
    const real = realpathSync(path, 'buffer')
    const isWithin = (root: Buffer) => real.equals(root) || real.subarray(0, root.length + 1).equals(withSlash(root))
    return boundary.roots.some(isWithin)
  } catch {
    return false
  }
}

/** The file's bytes as latin1; null when it is missing, elsewhere, no plain file, or larger than expected. */
export function readInside(boundary: Boundary, path: string | Buffer, bytesMax: number): string | null {
  const file = openInside(boundary, path)
  if (file === null) return null
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size > bytesMax) return null
    const buffer = Buffer.alloc(stat.size)
    return buffer.subarray(0, readSync(file, buffer, 0, stat.size, 0)).toString('latin1')
  } catch {
    return null
  } finally {
    closeSync(file)
  }
}

/** A file to read from, which the caller closes; null when it is missing, elsewhere or no plain file. */
export function openInside(boundary: Boundary, path: string | Buffer): number | null {
  if (!statOf(path)?.isFile() || !isInside(boundary, path)) return null
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (fstatSync(file).isFile()) return file
  } catch {
    // Gone since, or not ours to read.
  }
  if (file !== undefined) closeSync(file)
  return null
}

export function isPlainFile(path: string): boolean {
  return statOf(path)?.isFile() ?? false
}

export function isPlainFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false
}

/** Names in a folder of the work tree as latin1; none when it cannot be listed. */
export function namesInside(boundary: Boundary, path: string): string[] {
  if (!isPlainFolder(path) || realInside(boundary, path) === null) return []
  try {
    return readdirSync(path, { encoding: 'latin1' })
  } catch {
    return []
  }
}

/** Plain files in a folder of the work tree, and whether it has them and nothing else. */
export function plainFilesInside(boundary: Boundary, path: string): { files: string[]; isPure: boolean } {
  const names = namesInside(boundary, path)
  const files = names.filter(name => isPlainFile(join(path, name)))
  return { files, isPure: files.length > 0 && files.length === names.length }
}

export function statOf(path: string | Buffer) {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function withSlash(root: Buffer): Buffer {
  return Buffer.concat([root, Buffer.from('/')])
}

/** Where the git data of one of the agent's work trees lies: always within the boundary. */
export interface GitFolder {
  /** HEAD and index. */
  own: string
  /** Refs, objects and logs: another folder only for linked work trees. */
  shared: string
}

const POINTER_BYTES_MAX = 8 * 1024
const ALTERNATES_BYTES_MAX = 64 * 1024
const ALTERNATES_DEPTH_MAX = 5

export function findGitFolder(boundary: Boundary, tree: string): GitFolder | null {
  const own = ownFolder(boundary, tree)
  if (!own) return null
  const pointer = readInside(boundary, join(own, 'commondir'), POINTER_BYTES_MAX)
  if (pointer === null) return { own, shared: own }
  const shared = folderInside(boundary, resolveFrom(own, pointer.trim()))
  return shared ? { own, shared } : null
}

function ownFolder(boundary: Boundary, tree: string): string | null {
  const path = join(tree, '.git')
  const stat = statOf(path)
  if (stat?.isDirectory() || stat?.isSymbolicLink()) return folderInside(boundary, path)
  const pointer = readInside(boundary, path, POINTER_BYTES_MAX)
  const target = pointer === null ? null : /^gitdir: ([^\n]+)\n*$/.exec(pointer)?.[1]
  return target ? folderInside(boundary, resolveFrom(realPath(tree), target)) : null
}

/** A tree may be given by a link of ours; what its files point to begins where it really is. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Folders with objects: the repository's own, and those that its alternates name within the work tree. */
export function objectFolders(boundary: Boundary, folder: GitFolder): string[] {
  const found = new Set<string>()
  const visit = (objects: string, depth: number) => {
    if (depth > ALTERNATES_DEPTH_MAX || found.has(objects) || !folderInside(boundary, objects)) return
    found.add(objects)
    const alternates = readInside(boundary, join(objects, 'info', 'alternates'), ALTERNATES_BYTES_MAX) ?? ''
    for (const line of alternates.split('\n')) {
      if (line !== '' && !line.startsWith('#')) visit(resolveFrom(objects, line), depth + 1)
    }
  }
  visit(join(folder.shared, 'objects'), 0)
  return [...found]
}

/** The parts of an object folder that hold objects; its `info` may lie about them. */
export function objectParts(boundary: Boundary, objects: string): string[] {
  return namesInside(boundary, objects)
    .filter(name => name === 'pack' || /^[0-9a-f]{2}$/.test(name))
    .filter(name => isPlainFolder(join(objects, name)))
}

function folderInside(boundary: Boundary, path: string): string | null {
  const real = realInside(boundary, path)
  return real !== null && (isPlainFolder(real) || statOf(real)?.isSymbolicLink()) ? real : null
}

/** Pointers come as latin1; a path that is not UTF-8 does not lead anywhere then, which is safe. */
export function resolveFrom(folder: string, target: string): string {
  const path = Buffer.from(target, 'latin1').toString('utf8')
  return isAbsolute(path) ? path : join(folder, path)
}
