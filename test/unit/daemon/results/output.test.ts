import { describe, expect, it } from 'vitest'
import { endOfLog } from '../../../../daemon/results/output.ts'
import { LOG_CHUNK_BYTES_MAX } from '../../../../src/protocol/shapes.ts'

const MIB = LOG_CHUNK_BYTES_MAX

/** A log of lines of 16 bytes, of which a piece of at most a chunk is given from any byte on. */
function aLog(bytes: number) {
  const asked: number[] = []
  const read = async (after: number) => {
    asked.push(after)
    const length = Math.max(Math.min(bytes - after, MIB), 0)
    const lines = Array.from({ length: Math.ceil(length / 16) + 1 }, (_, index) => {
      return `line ${String(Math.floor(after / 16) + index).padStart(10)}\n`
    })
    return Buffer.from(lines.join('')).subarray(after % 16, (after % 16) + length)
  }
  return { read, asked }
}

describe('the end of a log', () => {
  it.each([0, 15, 16, 1_000, MIB - 1, MIB, MIB + 1, 3 * MIB - 16, 3 * MIB, 200 * MIB + 32])(
    'of %i bytes is found, whole lines of it, in few reads',
    async bytes => {
      const { read, asked } = aLog(bytes)
      const end = String(await endOfLog(read))
      const last = await read(Math.max(bytes - 160, 0))
      expect(end.endsWith(String(last))).toBe(true)
      expect(end === '' || end.startsWith('line ')).toBe(true)
      expect(asked.length).toBeLessThan(24)
    },
  )

  it('is looked for no further than any log goes, whatever a node says', async () => {
    let reads = 0
    const full = Buffer.alloc(MIB, 'x\n')
    const end = await endOfLog(async () => {
      reads += 1
      return full
    })
    expect([end.length <= MIB, reads < 64]).toEqual([true, true])
  })
})
