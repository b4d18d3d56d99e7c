/**
 * Files that are there, whole, after a power cut: a new file, its fsync, a rename, the fsync of the folder. Every rename
 * of the product is here. Synchronous where a change of state is one turn of the event loop, so that nothing comes
 * between reading it and writing it; what may be large is awaited.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  type WriteStream,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { asTdfError, TdfError } from '../core/errors.ts'

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW

/** Replaces `file` in one step. */
export function writeDurable(file: string, data: string | Uint8Array, mode = 0o600): void {
  const draft = writeDraft(file, data, mode)
  try {
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncPath(dirname(file))
}

/** Creates `file` with its whole content, or answers false when it is there already. */
export function createDurable(file: string, data: string, mode = 0o600): boolean {
  const draft = writeDraft(file, data, mode)
  try {
    linkSync(draft, file)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
  syncPath(dirname(file))
  return true
}

/** Replaces `file` in one step, without waiting for the disk: after a power cut it may be the old one, or empty. */
export function replaceFile(file: string, data: string): void {
  writeFileSync(draftOf(file), data, { mode: 0o600 })
  renameSync(draftOf(file), file)
}

/** Renames a folder, or a file whose content is on the disk. */
export function moveDurable(from: string, to: string): void {
  renameSync(from, to)
  for (const folder of new Set([dirname(to), dirname(from)])) syncPath(folder)
}

/** Moves everything that is in the folder `from` into the folder `to`, and removes `from`. */
export function moveContent(from: string, to: string): void {
  for (const name of readdirSync(from)) renameSync(join(from, name), join(to, name))
  rmdirSync(from)
  syncPath(to)
}

/** A stream into a file that is there from then on: who removes it after a failure, at whatever moment, finds it. */
export async function streamInto(file: string): Promise<WriteStream> {
  return (await open(file, 'w', 0o600)).createWriteStream()
}

/** Gives a file that is written its name. */
export async function publishFile(from: string, to: string): Promise<void> {
  await flush(from)
  await rename(from, to)
  await flush(dirname(to))
}

export function removeDurable(file: string): void {
  rmSync(file)
  syncPath(dirname(file))
}

/** Blocks until a file's content, or a folder's names, are on the disk. */
export function syncPath(path: string): void {
  const opened = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
}

/** As `syncPath`, without blocking. */
export async function flush(path: string): Promise<void> {
  const opened = await open(path, constants.O_RDONLY)
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}

export function writeAll(file: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(file, data, at)
}

/**
 * Opens a file to read, by the names on the way to it from a folder that is trusted. Each is opened in the folder before it,
 * as openat(2) does, and no link is followed. Throws ELOOP or ENOTDIR at a link.
 */
export function openBelow(root: string, names: readonly string[]): number {
  let folder = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY)
  for (const [index, name] of names.entries()) {
    const isLast = index === names.length - 1
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | (isLast ? constants.O_NONBLOCK : constants.O_DIRECTORY)
    const above = folder
    try {
      if (['', '.', '..'].includes(name) || name.includes('/')) throw new Error(`"${name}" is no name of a file`)
      folder = openSync(`/proc/self/fd/${above}/${name}`, flags)
    } finally {
      closeSync(above)
    }
  }
  return folder
}

/**
 * The folder and those above it that are missing, by default closed to others. The recursive way of Node never ends where the
 * kernel answers ENOENT below a folder that is there, as in /proc.
 */
export function makeFolder(path: string, mode = 0o700): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    const above = dirname(path)
    if (!hasCode(error, 'ENOENT') || existsSync(above)) throw error
    makeFolder(above, mode)
    makeFolder(path, mode)
  }
}

/** The same for what tdf keeps. Throws STATE_UNWRITABLE. */
export function makeStateFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    throw new TdfError('STATE_UNWRITABLE', `${folder} cannot be made: ${asTdfError(error).message}`, { cause: error })
  }
}

/** Null when there is no such file. */
export function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** The text of a plain file; null for what is none, as a link that could lead anywhere, and for more than `bytesMax`. */
export function readPlainFile(file: string, bytesMax: number): string | null {
  const found = lstatSync(file, { throwIfNoEntry: false })
  return found?.isFile() && found.size <= bytesMax ? readFileSync(file, 'utf8') : null
}

/** The SHA-256 of a file in hex, read in pieces. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}

function writeDraft(file: string, data: string | Uint8Array, mode: number): string {
  const draft = draftOf(file)
  const opened = openSync(draft, NEW_FILE, mode)
  try {
    writeAll(opened, Buffer.from(data))
    fsyncSync(opened)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(opened)
  }
  return draft
}

/** The pid keeps apart two processes that write the same file. */
const draftOf = (file: string) => join(dirname(file), `.${basename(file)}.${process.pid}.tmp`)

const hasCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code

/** What people's own programs expect of the files that they make. Ours is 077: what is open lies in a folder that is closed. */
export const OPEN_UMASK = 0o022

/** A program has the umask of the moment in which it is started; ours without one. */
export function underUmask<Started>(umask: number | undefined, start: () => Started): Started {
  if (umask === undefined) return start()
  const own = process.umask(umask)
  try {
    return start()
  } finally {
    process.umask(own)
  }
}

/** The file of a program that we may run: a name is looked up in `searchPath`, a path is looked at as it is. */
export function findProgram(program: string, searchPath: string): string | undefined {
  const files = program.includes('/') ? [program] : searchPath.split(delimiter).map(folder => join(folder, program))
  return files.find(file => isAccessible(file, constants.X_OK) && statSync(file).isFile())
}

/** Whether we may read (`constants.R_OK`) or run (`constants.X_OK`) a file: access(2), which follows links. */
export function isAccessible(file: string, mode: number): boolean {
  try {
    accessSync(file, mode)
    return true
  } catch {
    return false
  }
}
