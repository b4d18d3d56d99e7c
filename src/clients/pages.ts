/** Lists of the daemon, however long: a page at a time, so that neither side ever holds more than one. */
import { NEXT_PAGE } from '../protocol/control.ts'
import type { Client } from './control.ts'

const PAGE_ROWS = 200

/** `path` with `query` until its last page, or until `rowsMax` rows. Each page but the first may be empty. */
export async function* pages<T>(
  client: Client,
  path: string,
  query: URLSearchParams,
  rowsMax = Number.POSITIVE_INFINITY,
): AsyncGenerator<T[]> {
  const asked = new URLSearchParams(query)
  for (let left = rowsMax; left > 0; ) {
    asked.set('limit', String(Math.min(PAGE_ROWS, left)))
    const { headers, body } = await client.raw({ path: `${path}?${asked}` })
    // As in `call`: the shapes are those of the daemon of the same version.
    const rows = JSON.parse(body.toString('utf8')) as T[]
    yield rows
    const next = headers[NEXT_PAGE]
    if (typeof next !== 'string') return
    left -= rows.length
    asked.set('before', next)
  }
}

/** What `of` takes from each row of such a list. */
export async function collected<T, U>(all: AsyncIterable<readonly T[]>, of: (row: T) => U): Promise<U[]> {
  const found: U[] = []
  for await (const rows of all) for (const row of rows) found.push(of(row))
  return found
}
