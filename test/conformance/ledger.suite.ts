/** What the store relies on in a ledger, whatever keeps it. */
import { expect, it } from 'vitest'
import type { Change, Ledger } from '../../src/store/ledger/ledger.ts'

export interface LedgerRig {
  /** An installation that nothing serves: this daemon takes it over. */
  claim(): Promise<Ledger>
  /** The same while another daemon serves and goes on as if nothing had happened. */
  usurp(): Promise<Ledger>
}

const put = (key: string, value: unknown): Change => ({
  table: 'meta',
  key: JSON.stringify([key]),
  row: JSON.stringify({ key, value }),
})
const gone = (key: string): Change => ({ ...put(key, null), row: null })
const inOrder = (changes: readonly Change[]) =>
  changes.filter(({ row }) => row !== null).sort((a, b) => (a.key < b.key ? -1 : 1))

/** `fresh` makes an installation that has nothing, in a place of its own. */
export function ledgerConformance(kind: string, fresh: () => Promise<LedgerRig>): void {
  const named = (name: string, run: (rig: LedgerRig) => Promise<void>) =>
    it(`${kind}: ${name}`, async () => run(await fresh()))

  named('begins with nothing, and has what was written, as it was written last', async ({ claim }) => {
    const ledger = await claim()
    const { epoch, seq } = ledger.position()
    expect([inOrder(ledger.rows()), ledger.outage()]).toEqual([[], null])
    await ledger.write([put('a', 1), put('b', 1), put('c', 1)])
    await ledger.write([put('a', 2), gone('b'), gone('never there')])
    expect(inOrder(await ledger.reload())).toEqual([put('a', 2), put('c', 1)])
    expect(ledger.position()).toEqual({ epoch, seq: seq + 2 })
    await ledger.close()
  })

  named('keeps every character and every digit', async ({ claim }) => {
    const ledger = await claim()
    const texts = ['"\\', '\u0001\n\t', 'Zürich 🚀 \u2028', "it's $1 %s :x ?", '{"a":[1]}', '']
    const rows = texts.map(text => put(text, [text, 0.1 + 0.2, 2 ** 53 - 1, -0.5, null]))
    await ledger.write(rows)
    expect(inOrder(await ledger.reload())).toEqual(inOrder(rows))
    await ledger.close()
  })

  named('is handed over with all of its rows when the daemon that serves closes it', async ({ claim }) => {
    const first = await claim()
    await first.write([put('a', 1), put('b', 1)])
    await first.write([gone('a')])
    const { epoch, seq } = first.position()
    await first.close()
    const next = await claim()
    expect(inOrder(next.rows())).toEqual([put('b', 1)])
    expect([next.position().epoch > epoch, next.position().seq]).toEqual([true, seq])
    await next.write([put('c', 1)])
    expect(inOrder(await next.reload())).toEqual([put('b', 1), put('c', 1)])
    await next.close()
  })

  named('refuses a daemon whose place was taken, and keeps nothing of what it writes', async ({ claim, usurp }) => {
    const first = await claim()
    const lost: string[] = []
    first.onLost(why => lost.push(why))
    await first.write([put('a', 1)])
    const next = await usurp()
    expect(inOrder(next.rows())).toEqual([put('a', 1)])
    await expect(first.write([put('a', 2), put('b', 2)])).rejects.toMatchObject({ code: 'FENCED' })
    await expect(first.reload()).rejects.toMatchObject({ code: 'FENCED' })
    expect(lost).toHaveLength(1)
    await next.write([put('c', 3)])
    expect(inOrder(await next.reload())).toEqual([put('a', 1), put('c', 3)])
    await next.close()
  })

  named('stores a large group whole', async ({ claim }) => {
    const ledger = await claim()
    const rows = Array.from({ length: 2_000 }, (_, index) => put(`k${index}`, 'x'.repeat(index)))
    await ledger.write(rows)
    expect(inOrder(await ledger.reload())).toEqual(inOrder(rows))
    await ledger.close()
  })

  named('keeps blobs whole, in the place of older ones', async ({ claim }) => {
    const { blobs, close } = await claim()
    const large = Buffer.alloc(2 * 1024 * 1024 + 7, 'blob ')
    await blobs.put('results/t1/1', inParts(large, 700_001))
    await blobs.put('results/t1/2', inParts(Buffer.from('two'), 1))
    await blobs.put('results/t10', inParts(Buffer.alloc(0), 1))
    await blobs.put('logs/t1', inParts(Buffer.from('old, and longer'), 4))
    await blobs.put('logs/t1', inParts(Buffer.from('new'), 2))
    expect(await blobs.list('results/t1/')).toEqual(['results/t1/1', 'results/t1/2'])
    expect(large.equals((await whole(await blobs.get('results/t1/1'))) ?? Buffer.alloc(0))).toBe(true)
    expect(await whole(await blobs.get('logs/t1'))).toEqual(Buffer.from('new'))
    expect(await whole(await blobs.get('results/t10'))).toEqual(Buffer.alloc(0))
    await blobs.remove(['results/t1/1', 'results/t1/2', 'never there'])
    expect([await blobs.get('results/t1/1'), await blobs.list('')]).toEqual([null, ['logs/t1', 'results/t10']])
    await close()
  })

  named('has nothing of a blob whose bytes ended in a failure', async ({ claim }) => {
    const { blobs, close } = await claim()
    async function* broken(): AsyncIterable<Buffer> {
      yield Buffer.alloc(2 * 1024 * 1024)
      throw new Error('the disk is gone')
    }
    await expect(blobs.put('a', broken())).rejects.toThrow('the disk is gone')
    expect([await blobs.get('a'), await blobs.list('')]).toEqual([null, []])
    await close()
  })
}

async function* inParts(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function whole(parts: AsyncIterable<Buffer> | null): Promise<Buffer | null> {
  if (parts === null) return null
  const all: Buffer[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}
