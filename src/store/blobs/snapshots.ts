/**
 * A repository of results where the state lives elsewhere: packs of what each change brought, and a list of its refs that is
 * written last. A daemon that opens the repository takes in the packs that it does not have and sets the refs to that list;
 * what it has beyond the list was never said to be saved.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TdfError } from '../../core/errors.ts'
import { flush, moveDurable, readIfThere, writeDurable } from '../../platform/files.ts'
import { type GitOptions, git, gitOutput } from '../../platform/git.ts'
import type { BlobStore } from '../ledger/ledger.ts'

/** What of a repository is used here. */
export interface Packable {
  dir: string
  must(args: readonly string[], options?: Partial<GitOptions>): Promise<string>
}

export interface Snapshots {
  /** Whether there is one of this repository. */
  isThere(name: string): Promise<boolean>
  /** Brings the repository to what was saved of it; once, before it is used. */
  restore(name: string, repository: Packable): Promise<void>
  /** Saves what its refs name now: durable when it resolves. While nothing else writes to the repository. */
  save(name: string, repository: Packable): Promise<void>
  remove(name: string): Promise<void>
}

interface Manifest {
  /** In the order in which they were made. */
  packs: string[]
  refs: Record<string, string>
}

const EMPTY: Manifest = { packs: [], refs: {} }
/** More packs than this are made one. */
const PACKS_MAX = 64
const TIMEOUT_MS = 1_800_000
/** Of the names of packs that were taken in here. */
const TAKEN = 'tdf-packs'

export function snapshots(blobs: BlobStore): Snapshots {
  const { read, takeIn, put } = parcels(blobs)
  const known = new Map<string, Manifest>()

  return {
    isThere: async name => known.has(name) || (await read(name)) !== null,
    async restore(name, repository) {
      const saved = await read(name)
      known.set(name, saved ?? EMPTY)
      if (!saved) return
      const file = path.join(repository.dir, TAKEN)
      const taken = new Set((readIfThere(file) ?? '').split('\n'))
      for (const pack of saved.packs.filter(one => !taken.has(one))) await takeIn(name, repository, pack)
      const now = await refsOf(repository)
      const gone = Object.keys(now).filter(ref => !(ref in saved.refs))
      const moved = Object.entries(saved.refs).filter(([ref, oid]) => now[ref] !== oid)
      const lines = [...gone.map(ref => `delete ${ref}`), ...moved.map(([ref, oid]) => `update ${ref} ${oid}`)]
      if (lines.length > 0) await repository.must(['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` })
      writeDurable(file, `${saved.packs.join('\n')}\n`)
    },
    async save(name, repository) {
      const before = known.get(name) ?? EMPTY
      const refs = await refsOf(repository)
      if (JSON.stringify(refs) === JSON.stringify(before.refs)) return
      const isFull = before.packs.length >= PACKS_MAX
      const pack = await packNew(repository, refs, isFull ? EMPTY : before)
      if (pack !== null) await put(name, repository, pack)
      const packs = [...(isFull ? [] : before.packs), ...(pack === null ? [] : [pack])]
      const text = Buffer.from(JSON.stringify({ packs, refs } satisfies Manifest))
      await blobs.put(manifestName(name), Readable.from([text]))
      known.set(name, { packs, refs })
      writeDurable(path.join(repository.dir, TAKEN), `${packs.join('\n')}\n`)
      if (isFull) await blobs.remove(before.packs.map(one => packName(name, one)))
    },
    async remove(name) {
      known.delete(name)
      await blobs.remove([manifestName(name), ...(await blobs.list(`results/${name}/`))])
    },
  }
}

const manifestName = (name: string) => `results/${name}/manifest`
const packName = (name: string, pack: string) => `results/${name}/${pack}.pack`

/** What goes there and comes from there. */
function parcels(blobs: BlobStore) {
  return {
    async read(name: string): Promise<Manifest | null> {
      const parts = await blobs.get(manifestName(name))
      if (!parts) return null
      const chunks: Buffer[] = []
      for await (const chunk of parts) chunks.push(chunk)
      // Ours, whole or not at all.
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Manifest
    },
    async takeIn(name: string, repository: Packable, pack: string): Promise<void> {
      const parts = await blobs.get(packName(name, pack))
      if (!parts) throw new TdfError('RESULT_BROKEN', `the database does not hold ${packName(name, pack)} any more`)
      const folder = path.join(repository.dir, 'objects', 'pack')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const file = path.join(folder, `pack-${pack}.pack`)
      await pipeline(Readable.from(parts), createWriteStream(file, { mode: 0o600 }))
      await repository.must(['index-pack', '--strict', file], { timeoutMs: TIMEOUT_MS })
    },
    async put(name: string, repository: Packable, pack: string): Promise<void> {
      const file = packFile(repository, pack)
      try {
        await blobs.put(packName(name, pack), createReadStream(file) as AsyncIterable<Buffer>)
      } finally {
        await rm(file, { force: true })
      }
    },
  }
}

/** Null when nothing is new. */
async function packNew(repository: Packable, refs: Manifest['refs'], before: Manifest): Promise<string | null> {
  const old = new Set(Object.values(before.refs))
  const fresh = [...new Set(Object.values(refs))].filter(oid => !old.has(oid))
  if (fresh.length === 0) return null
  const pack = createHash('sha1')
    .update(JSON.stringify([before.packs, refs]))
    .digest('hex')
  const input = `${[...fresh, ...[...old].map(oid => `^${oid}`)].join('\n')}\n`
  const args = ['pack-objects', '--revs', '--stdout', '--quiet', '--delta-base-offset']
  await repository.must(args, { input, outputFile: packFile(repository, pack), timeoutMs: TIMEOUT_MS })
  return pack
}

const broken = (message: string) => new TdfError('RESULT_BROKEN', message)

const packFile = ({ dir }: Packable, pack: string) => path.join(dir, `${pack}.out`)

async function refsOf(repository: Packable): Promise<Record<string, string>> {
  const listed = await repository.must(['for-each-ref', '--format=%(objectname) %(refname)'])
  const rows = listed.split('\n').filter(Boolean)
  return Object.fromEntries(rows.map(row => [row.slice(row.indexOf(' ') + 1), row.slice(0, row.indexOf(' '))]))
}

/** Whole or not at all: a half-made repository never gets its name. */
export async function createBare(dir: string, format: 'sha1' | 'sha256'): Promise<void> {
  const fresh = `${dir}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(path.dirname(dir), { recursive: true, mode: 0o700 })
  const init = ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, fresh]
  gitOutput('init', await git(init, { cwd: path.dirname(dir) }), broken)
  for (const name of ['config', 'HEAD', '']) await flush(path.join(fresh, name))
  moveDurable(fresh, dir)
}
