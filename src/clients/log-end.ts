/** Where a log ends of which only pieces from a byte on can be had. */
import { LOG_CHUNK_BYTES_MAX } from '../protocol/shapes.ts'

/** No log is longer; a node that says so is asked no further. */
const LOG_BYTES_MAX = 2 ** 40

export interface LogPiece {
  /** Its first byte. */
  at: number
  piece: Buffer
}

/**
 * The last piece, which may be the whole log. Its end is found by doubling and halving, for a log may have hundreds of
 * megabytes, and a piece behind its end is empty.
 */
export async function lastPiece(read: (after: number) => Promise<Buffer>): Promise<LogPiece> {
  let at = 0
  let beyond = LOG_CHUNK_BYTES_MAX
  let piece = await read(at)
  while (isWhole(piece) && beyond < LOG_BYTES_MAX) {
    const next = await read(beyond)
    if (next.length === 0) break
    at = beyond
    piece = next
    beyond *= 2
  }
  while (isWhole(piece) && beyond - at > LOG_CHUNK_BYTES_MAX) {
    const middle = Math.floor((at + beyond) / 2)
    const next = await read(middle)
    if (next.length === 0) beyond = middle
    else [at, piece] = [middle, next]
  }
  return { at, piece }
}

/** More may stand behind it. */
export const isWhole = (piece: Buffer) => piece.length >= LOG_CHUNK_BYTES_MAX
