/** Append-only files of one record a line. What is in a line counts only once the line is whole and on the disk. */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { readIfThere, syncPath, writeAll, writeDurable } from '../../platform/files.ts'

export interface Lines {
  /** Throws when the line could not be stored; the file is then as it was. */
  append(lines: readonly string[]): void
  /** Replaces the whole file. */
  rewrite(lines: readonly string[]): void
  close(): void
}

const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW

/** Opens the file and gives its whole lines; a last line without its end was never stored and is cut off. */
export function openLines(path: string): { lines: Lines; found: string[] } {
  const text = readIfThere(path) ?? ''
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  let file = open(path)
  if (whole.length < text.length) truncate(file, Buffer.byteLength(whole))
  const lines: Lines = {
    append: added => {
      const size = fstatSync(file).size
      try {
        writeAll(file, Buffer.from(added.map(line => `${line}\n`).join('')))
        fsyncSync(file)
      } catch (error) {
        truncate(file, size)
        throw error
      }
    },
    rewrite: all => {
      writeDurable(path, all.map(line => `${line}\n`).join(''))
      closeSync(file)
      file = open(path)
    },
    close: () => closeSync(file),
  }
  return { lines, found: whole.split('\n').filter(line => line !== '') }
}

function open(path: string): number {
  const file = openSync(path, APPEND, 0o600)
  syncPath(dirname(path))
  return file
}

function truncate(file: number, size: number): void {
  ftruncateSync(file, size)
  fsyncSync(file)
}

// --- The end of a file, for a message ---

const TAIL_BYTES = 8 * 1024

/** Empty when there is no such file. */
export function readTail(path: string): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return ''
  const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES))
  const file = openSync(path, 'r')
  try {
    readSync(file, buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8')
  } finally {
    closeSync(file)
  }
}
