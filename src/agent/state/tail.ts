/** The end of a file, for a message. */
import { closeSync, openSync, readSync, statSync } from 'node:fs'

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
