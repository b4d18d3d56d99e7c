/**
 * Files that are there, whole, after a power cut. Synchronous on purpose: a change of state is then one turn of the
 * event loop, and nothing can come between reading it and writing it.
 */

import {
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import type { z } from 'zod'
import { codeOf } from '../errors.ts'

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW

/** Replaces `path` in one step. */
export function writeDurable(path: string, data: string): void {
  const draft = writeDraft(path, data)
  try {
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Creates `path` with its whole content, or answers false when it is there already. */
export function createDurable(path: string, data: string): boolean {
  const draft = writeDraft(path, data)
  try {
    linkSync(draft, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
  syncFolder(dirname(path))
  return true
}

/** The pid in the draft's name keeps agent and runner apart when both write the same file. */
function writeDraft(path: string, data: string): string {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  const file = openSync(draft, NEW_FILE, 0o600)
  try {
    writeAll(file, Buffer.from(data))
    fsyncSync(file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  return draft
}

export function writeAll(file: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(file, data, at)
}

export function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/** Null when there is no such file. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** JSON files of the state folder, checked against their shape when read. */

/** What is in the file; null when it is missing or is not what it should be. */
export function readJson<T extends z.ZodType>(path: string, shape: T): z.output<T> | null {
  try {
    return readJsonStrictly(path, shape)
  } catch {
    return null
  }
}

/** Null when the file is missing; throws when it is damaged. */
export function readJsonStrictly<T extends z.ZodType>(path: string, shape: T): z.output<T> | null {
  const text = readIfThere(path)
  return text === null ? null : shape.parse(JSON.parse(text))
}

export function writeJson(path: string, value: unknown): void {
  writeDurable(path, `${JSON.stringify(value)}\n`)
}

/** False when the file is there already. */
export function createJson(path: string, value: unknown): boolean {
  return createDurable(path, `${JSON.stringify(value)}\n`)
}
