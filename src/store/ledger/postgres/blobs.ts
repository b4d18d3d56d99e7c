/** Blobs in parts of at most 1 MiB. Each statement may be asked twice, so that an upload outlives a failover. */
import { TdfError } from '../../../core/errors.ts'
import type { BlobStore } from '../ledger.ts'
import type { Session } from './connection/session.ts'

const PART_BYTES = 1024 * 1024
/** Before the name of what is not whole yet; a slash in front is in no name of ours. */
const UPLOADS = '/upload/'

const INSERT = `insert into tdf_ledger.blobs (name, part, made, bytes) values ($1, $2, $3, $4) on conflict (name, part) do nothing`
const READ = 'select bytes from tdf_ledger.blobs where name = $1 and part = $2 and made = $3'
/** The character after every other sorts behind every name with the prefix, in the order of code points. */
const LIST = `select name from tdf_ledger.blobs where part = 0 and name >= $1 and name < $1 || chr(1114111) and name !~ '^/' order by name`

export interface BlobParts {
  session: Session
  epoch: number
  /** A name that nobody else makes. */
  unique(): string
}

export function createBlobs({ session, epoch, unique }: BlobParts): BlobStore {
  const run = (text: string, values: readonly unknown[]) => session.ask(connection => connection.query(text, values))

  async function madeOf(name: string): Promise<string | undefined> {
    const [row] = await run('select made from tdf_ledger.blobs where name = $1 and part = 0', [name])
    return row && String(row.made)
  }

  return {
    async put(name, parts) {
      const made = unique()
      const upload = UPLOADS + made
      try {
        let part = 0
        for await (const bytes of inParts(parts)) await run(INSERT, [upload, part++, made, bytes])
        await run('select tdf_ledger.publish($1, $2, $3)', [epoch, upload, name])
      } catch (error) {
        // Not waited for: what stays behind goes with the next takeover.
        run(REMOVE, [[upload]]).catch(() => {})
        throw error
      }
    },
    async get(name) {
      const made = await madeOf(name)
      return made === undefined ? null : read(name, made)
    },
    async remove(names) {
      await run(REMOVE, [names])
    },
    async list(prefix) {
      return (await run(LIST, [prefix])).map(row => String(row.name))
    },
  }

  async function* read(name: string, made: string): AsyncIterable<Buffer> {
    for (let part = 0; ; part++) {
      const [row] = await run(READ, [name, part, made])
      if (row) yield row.bytes as Buffer
      else if ((await madeOf(name)) === made) return
      else
        throw new TdfError('STORE_AWAY', `${name} was replaced or removed while it was read`, { retryAfterMs: 1_000 })
    }
  }
}

const REMOVE = 'delete from tdf_ledger.blobs where name = any($1)'

/** What daemons that ended in the middle left behind. */
export async function removeUploads(session: Session): Promise<void> {
  await session.ask(connection =>
    connection.query('delete from tdf_ledger.blobs where name >= $1 and name < $2', [UPLOADS, '/upload0']),
  )
}

/** At least one, which may be empty. */
async function* inParts(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let kept: Buffer[] = []
  let bytes = 0
  let isFirst = true
  for await (const chunk of chunks) {
    kept.push(chunk)
    bytes += chunk.length
    while (bytes >= PART_BYTES) {
      const whole = Buffer.concat(kept)
      yield whole.subarray(0, PART_BYTES)
      kept = [whole.subarray(PART_BYTES)]
      bytes -= PART_BYTES
      isFirst = false
    }
  }
  if (bytes > 0 || isFirst) yield Buffer.concat(kept)
}
