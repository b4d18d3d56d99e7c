/** Bytes gathered in memory that is used again and again: in however small bites they come, nothing piles up. */

export interface GrowingBuffer {
  add(bytes: Buffer): void
  size(): number
  /** What was gathered; it lies where the next ones will. */
  take(): Buffer
}

const EXPECTED_BYTES = 64 * 1024

/** `expected` bytes are made room for at once; more are taken too. */
export function openRoom(expected = EXPECTED_BYTES): GrowingBuffer {
  let memory = Buffer.alloc(0)
  let size = 0
  return {
    add: bytes => {
      if (size + bytes.length > memory.length) {
        const larger = Buffer.alloc(Math.max(2 * memory.length, size + bytes.length, expected))
        memory.copy(larger, 0, 0, size)
        memory = larger
      }
      bytes.copy(memory, size)
      size += bytes.length
    },
    size: () => size,
    take: () => {
      const taken = memory.subarray(0, size)
      size = 0
      return taken
    },
  }
}
