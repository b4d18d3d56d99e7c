/**
 * Reading what the agent left, as files. Nothing is followed out of the work tree, nothing that is not a plain file is
 * opened (a fifo would hold us for ever), and no more is read than expected.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'

export interface Boundary {
  /** The real path of the work tree, which the agent cannot move. */
  root: Buffer
}

export function boundaryOf(workTree: string): Boundary {
  return { root: realpathSync(workTree, 'buffer') }
}

/** The real path when it lies within the boundary, else null. */
export function realInside(boundary: Boundary, path: string): string | null {
  try {
    const real = realpathSync(path, 'buffer')
    const inside = real.equals(boundary.root) || real.subarray(0, boundary.root.length + 1).equals(withSlash(boundary))
    return inside ? path : null
  } catch {
    return null
  }
}

/** The file's bytes as latin1; null when it is missing, elsewhere, no plain file, or larger than expected. */
export function readInside(boundary: Boundary, path: string, bytesMax: number): string | null {
  if (!isPlainFile(path) || realInside(boundary, path) === null) return null
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return null
  }
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

export function statOf(path: string | Buffer) {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

function withSlash(boundary: Boundary): Buffer {
  return Buffer.concat([boundary.root, Buffer.from('/')])
}
