/** Where a tree of the agent's has its git data, if it has any that lies within the work tree. */

import { isAbsolute, join } from 'node:path'
import { type Boundary, isPlainFolder, namesInside, readInside, realInside, statOf } from './untrusted.ts'

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
  return target ? folderInside(boundary, resolveFrom(tree, target)) : null
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
function resolveFrom(folder: string, target: string): string {
  const path = Buffer.from(target, 'latin1').toString('utf8')
  return isAbsolute(path) ? path : join(folder, path)
}
